/* The kernel's ceiling: what a server could answer that did no work at all.
 *
 *     echo PORT BATCH
 *
 * Takes datagrams on 127.0.0.1 in batches, sets QR in each and sends it back,
 * on one thread with one socket. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define MOST 256  /* datagrams a call */
#define ROOM 2048 /* octets of each */

static unsigned char data[MOST][ROOM];
static struct sockaddr_in from[MOST];
static struct iovec pieces[MOST];
static struct mmsghdr messages[MOST];

int main(int count, char **words)
{
    int batch = count == 3 ? atoi(words[2]) : 0;
    if (batch < 1 || batch > MOST) {
        fprintf(stderr, "echo PORT BATCH (1 to %d)\n", MOST);
        return 2;
    }
    int room = 4 << 20;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(atoi(words[1])),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int udp = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
    if (udp < 0 || bind(udp, (struct sockaddr *)&here, sizeof here)) {
        perror("echo: bind");
        return 1;
    }
    for (int i = 0; i < batch; i++) {
        pieces[i].iov_base = data[i];
        messages[i].msg_hdr = (struct msghdr){.msg_name = &from[i], .msg_iov = &pieces[i], .msg_iovlen = 1};
    }
    for (;;) {
        for (int i = 0; i < batch; i++) {
            pieces[i].iov_len = ROOM;
            messages[i].msg_hdr.msg_namelen = sizeof from[i];
        }
        int got = recvmmsg(udp, messages, batch, MSG_WAITFORONE, NULL);
        if (got < 0) {
            perror("echo: recvmmsg");
            return 1;
        }
        for (int i = 0; i < got; i++) {
            pieces[i].iov_len = messages[i].msg_len;
            data[i][2] |= 0x80;
        }
        for (int sent = 0; sent < got;) {
            int more = sendmmsg(udp, messages + sent, got - sent, 0);
            sent += more > 0 ? more : 1;
        }
    }
}
