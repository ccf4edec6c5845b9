//! Many clients in one thread: each asks, waits for its answer, asks again.
//! A thread a client would spend more on switching between them than on
//! asking, and the server has to live on what is left.

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use super::Times;

/// One client: a socket, and what it says.
pub trait Client: AsRawFd {
    /// Sends the next request.
    fn ask(&mut self);
    /// Takes what has arrived; whether the answer is whole.
    fn listen(&mut self) -> bool;
}

/// All ask as fast as they are answered.
pub fn run(mut clients: Vec<impl Client>, span: Duration) -> Times {
    let poll = Poll::new();
    for (number, client) in clients.iter().enumerate() {
        poll.add(client.as_raw_fd(), number);
    }
    let begun = Instant::now();
    let end = begun + span;
    let mut asked = vec![begun; clients.len()];
    let mut times = Vec::with_capacity(1 << 20);
    clients.iter_mut().for_each(Client::ask);
    let mut waiting = clients.len();
    while waiting > 0 {
        let ready = poll.wait();
        assert!(!ready.is_empty(), "{waiting} clients without an answer for ten seconds");
        for number in ready {
            if !clients[number].listen() {
                continue;
            }
            let now = Instant::now();
            times.push(now - asked[number]);
            if now < end {
                asked[number] = now;
                clients[number].ask();
            } else {
                waiting -= 1;
            }
        }
    }
    (begun, times)
}

/// epoll(7), without a crate.
struct Poll(i32);

#[repr(C)]
#[cfg_attr(target_arch = "x86_64", repr(packed))]
#[derive(Clone, Copy)]
struct Event {
    events: u32,
    number: u64,
}

unsafe extern "C" {
    fn epoll_create1(flags: i32) -> i32;
    fn epoll_ctl(epoll: i32, operation: i32, descriptor: i32, event: *mut Event) -> i32;
    fn epoll_wait(epoll: i32, events: *mut Event, most: i32, milliseconds: i32) -> i32;
}

impl Poll {
    fn new() -> Poll {
        // SAFETY: no pointers.
        let poll = unsafe { epoll_create1(0) };
        assert!(poll >= 0);
        Poll(poll)
    }

    fn add(&self, descriptor: i32, number: usize) {
        const ADD: i32 = 1;
        const IN: u32 = 1;
        let mut event = Event { events: IN, number: number as u64 };
        // SAFETY: the event is ours and read before the call returns.
        assert_eq!(unsafe { epoll_ctl(self.0, ADD, descriptor, &mut event) }, 0);
    }

    /// Whose sockets have something; none: nobody's for ten seconds.
    fn wait(&self) -> Vec<usize> {
        let mut events = [Event { events: 0, number: 0 }; 64];
        // SAFETY: the array is ours, and its length is said.
        let count = unsafe { epoll_wait(self.0, events.as_mut_ptr(), 64, 10_000) };
        events[..count.max(0) as usize].iter().map(|event| event.number as usize).collect()
    }
}
