/* Asks a DNS server over UDP as fast as it answers, or at a fixed rate.
 *
 *     queries PORT NAMES SECONDS [SETTING=VALUE ...]
 *
 *     edns=0|1     an OPT record in each question (1)
 *     rate=N       questions a second, evenly spaced; 0: as many as are answered (0)
 *     window=N     at most so many unanswered questions when rate=0 (192)
 *     sockets=N    source ports (8)
 *     gso=0|1      many questions in one send, which the kernel makes one datagram each of (1)
 *     seed=N
 *
 * Questions: of the names h0000000, h0000001, ... below dyn.example.org, which
 * all have A and AAAA, one at random; 95 % ask for an address there is (A and
 * AAAA alike), 3 % for HTTPS, which there is not (NODATA), 2 % for a name
 * x0000000, ... that there is not (NXDOMAIN). They are made as they are sent,
 * so that the asking core's cache is not what is measured. Response code and
 * number of answers of every response are compared with what was asked.
 *
 * It never sleeps: it has a core of its own, and waking it up would cost the
 * server. Prints one line of JSON. `idle` is the part of the time in which it
 * looked for answers and there were none; near 0, it is the limit and not the
 * server. Times, in microseconds, run from when a question was due, so that
 * what delays one counts for those behind it too. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64         /* datagrams a system call */
#define ROOM 512         /* octets of an answer */
#define SLOTS 1024       /* open questions of a socket; the low 10 bits of an id */
#define SOCKETS 64
#define LOST 250000000u  /* ns after which a question counts as lost */

enum kind { A, AAAA, NO_DATA, NO_NAME };

struct slot {
    uint64_t due;
    uint16_t id;
    uint8_t kind, open;
};

static struct asker {
    int udp, open, next;
    struct slot slots[SLOTS];
} askers[SOCKETS];

static long port, names, edns = 1, rate, window = 192, sockets = 8, gso = 1, seed = 1;
static uint64_t chance;
static char digits[1000][4];
static uint8_t model[128]; /* the question that is varied */
static int length, type_at;

static uint8_t out[BATCH * 128];
static uint8_t in[BATCH][ROOM];
static struct iovec pieces[BATCH];
static struct mmsghdr messages[BATCH];
static uint64_t answered, wrong, lost, strange, refused_sends;
static uint32_t *times;
static uint64_t kept, room;

static uint64_t now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void die(const char *what)
{
    fprintf(stderr, "queries: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* splitmix64 */
static uint32_t below(uint32_t limit)
{
    uint64_t z = chance += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return (uint64_t)(uint32_t)(z ^ z >> 31) * limit >> 32;
}

static void prepare(void)
{
    static const uint8_t header[12] = {0, 0, 0, 0, 0, 1};
    static const uint8_t name[] = "\10h0000000\3dyn\7example\3org\0\0\1\0\1";
    static const uint8_t opt[] = {0, 0, 41, 1232 >> 8, 1232 & 255, 0, 0, 0, 0, 0, 0};
    for (int i = 0; i < 1000; i++)
        snprintf(digits[i], 4, "%03d", i);
    memcpy(model, header, sizeof header);
    memcpy(model + 12, name, sizeof name - 1);
    length = 12 + sizeof name - 1;
    type_at = length - 4;
    if (edns) {
        model[11] = 1;
        memcpy(model + length, opt, sizeof opt);
        length += sizeof opt;
    }
    for (int i = 0; i < BATCH; i++) {
        pieces[i] = (struct iovec){in[i], ROOM};
        messages[i].msg_hdr = (struct msghdr){.msg_iov = &pieces[i], .msg_iovlen = 1};
    }
}

static void connect_all(void)
{
    struct sockaddr_in there = {.sin_family = AF_INET, .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int bytes = 4 << 20;
    for (int i = 0; i < sockets; i++) {
        int udp = askers[i].udp = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0);
        if (udp < 0 || connect(udp, (struct sockaddr *)&there, sizeof there))
            die("connect");
        setsockopt(udp, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        if (gso && setsockopt(udp, SOL_UDP, UDP_SEGMENT, &length, sizeof length))
            die("UDP_SEGMENT");
    }
}

/* Writes a question at `to`, and remembers it. */
static void question(struct asker *asker, uint8_t *to, uint64_t due)
{
    static const uint8_t types[] = {1, 28, 65, 1};
    struct slot *slot;
    do
        slot = &asker->slots[asker->next++ % SLOTS];
    while (slot->open);
    uint32_t n = below(names), part = below(1000);
    enum kind kind = part < 475 ? A : part < 950 ? AAAA : part < 980 ? NO_DATA : NO_NAME;
    /* A slot has another id each time, so that a late answer is none. */
    slot->id += SLOTS;
    slot->id = (slot->id & ~(SLOTS - 1)) | (slot - asker->slots);
    slot->kind = kind;
    slot->due = due;
    slot->open = 1;
    asker->open++;
    memcpy(to, model, length);
    memcpy(to, &slot->id, 2);
    if (kind == NO_NAME)
        to[13] = 'x';
    to[14] = '0' + n / 1000000;
    memcpy(to + 15, digits[n / 1000 % 1000], 3);
    memcpy(to + 18, digits[n % 1000], 3);
    to[type_at + 1] = types[kind];
}

static void ask(struct asker *asker, int count, uint64_t due)
{
    static struct iovec parts[BATCH];
    static struct mmsghdr each[BATCH];
    for (int i = 0; i < count; i++)
        question(asker, out + i * length, due);
    if (gso || count == 1) {
        if (send(asker->udp, out, count * length, 0) < 0)
            refused_sends++;
        return;
    }
    for (int i = 0; i < count; i++) {
        parts[i] = (struct iovec){out + i * length, length};
        each[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i], .msg_iovlen = 1};
    }
    if (sendmmsg(asker->udp, each, count, 0) < 0)
        refused_sends++;
}

/* Takes what was answered, says how many. */
static int take(struct asker *asker)
{
    int got = recvmmsg(asker->udp, messages, BATCH, MSG_DONTWAIT, NULL);
    if (got <= 0)
        return 0;
    uint64_t time = rate ? now() : 0;
    for (int i = 0; i < got; i++) {
        uint8_t *answer = in[i];
        uint16_t id;
        memcpy(&id, answer, 2);
        struct slot *slot = &asker->slots[id & (SLOTS - 1)];
        if (!slot->open || slot->id != id || messages[i].msg_len < 12 || !(answer[2] & 0x80)) {
            strange++;
            continue;
        }
        slot->open = 0;
        asker->open--;
        answered++;
        int code = answer[3] & 15, answers = answer[6] << 8 | answer[7];
        if (code != (slot->kind == NO_NAME ? 3 : 0) || answers != (slot->kind <= AAAA))
            wrong++;
        if (rate && kept < room)
            times[kept++] = time - slot->due;
    }
    return got;
}

static void give_up(uint64_t time)
{
    for (int i = 0; i < sockets; i++)
        for (int j = 0; j < SLOTS && askers[i].open; j++) {
            struct slot *slot = &askers[i].slots[j];
            if (slot->open && time - slot->due > LOST) {
                slot->open = 0;
                askers[i].open--;
                lost++;
            }
        }
}

/* Ends a round of asking and taking: the ns of it if nothing was to be done. */
static uint64_t passed(int busy, uint64_t *before, uint64_t *checked)
{
    uint64_t after = now(), spent = after - *before;
    *before = after;
    if (after - *checked > LOST / 4)
        give_up(*checked = after);
    return busy ? 0 : spent;
}

/* As many as are answered. Gives the ns in which nothing was to be done. */
static uint64_t flood(uint64_t end)
{
    uint64_t idle = 0, before = now(), checked = before;
    int share = window / sockets;
    while (before < end) {
        int busy = 0;
        for (int i = 0; i < sockets; i++) {
            struct asker *asker = &askers[i];
            busy |= take(asker);
            /* A few at a time are not worth a call. */
            int free = share - asker->open;
            if (free * 2 >= share) {
                ask(asker, free < BATCH ? free : BATCH, before);
                busy = 1;
            }
        }
        idle += passed(busy, &before, &checked);
    }
    return idle;
}

/* At a fixed rate, whatever is answered. */
static uint64_t pace(uint64_t begun, uint64_t end, uint64_t *late)
{
    uint64_t sent = 0, idle = 0, before = now(), checked = before;
    while (before < end) {
        int busy = 0;
        for (uint64_t due; (due = begun + sent * 1000000000 / rate) <= before; sent++) {
            struct asker *asker = &askers[sent % sockets];
            if (asker->open == SLOTS)
                lost++;
            else
                ask(asker, 1, due);
            *late += before - due > 100000;
            busy = 1;
        }
        for (int i = 0; i < sockets; i++)
            busy |= take(&askers[i]);
        idle += passed(busy, &before, &checked);
    }
    return idle;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double at(double part)
{
    return kept ? times[(uint64_t)((kept - 1) * part)] / 1000.0 : 0;
}

int main(int count, char **words)
{
    struct setting { const char *name; long *value; } settings[] = {
        {"edns", &edns}, {"rate", &rate}, {"window", &window},
        {"sockets", &sockets}, {"gso", &gso}, {"seed", &seed}, {NULL, NULL}};
    if (count < 4) {
        fprintf(stderr, "queries PORT NAMES SECONDS [SETTING=VALUE ...]\n");
        return 2;
    }
    port = atol(words[1]);
    names = atol(words[2]);
    double seconds = atof(words[3]);
    for (int i = 4; i < count; i++) {
        char *value = strchr(words[i], '=');
        struct setting *setting = settings;
        while (setting->name && (!value || strncmp(setting->name, words[i], value - words[i])))
            setting++;
        if (!setting->name) {
            fprintf(stderr, "queries: no such setting: %s\n", words[i]);
            return 2;
        }
        *setting->value = atol(value + 1);
    }
    if (sockets < 1 || sockets > SOCKETS || window < sockets || window / sockets > SLOTS / 2 ||
        names < 1 || names > 10000000) {
        fprintf(stderr, "queries: 1 to %d sockets, a window of 1 to %d for each, 1 to 10000000 names\n",
                SOCKETS, SLOTS / 2);
        return 2;
    }
    chance = seed;
    room = rate * seconds + 1;
    times = malloc(room * sizeof *times);
    if (!times)
        die("memory");
    memset(times, 1, room * sizeof *times);
    prepare();
    connect_all();

    uint64_t late = 0, begun = now(), end = begun + seconds * 1e9;
    uint64_t idle = rate ? pace(begun, end, &late) : flood(end);
    uint64_t ended = now();
    double rate_seen = answered / ((ended - begun) / 1e9);
    /* What is still under way is neither answered nor lost yet. */
    while (now() < ended + LOST) {
        int open = 0;
        for (int i = 0; i < sockets; i++) {
            take(&askers[i]);
            open += askers[i].open;
        }
        if (!open)
            break;
    }
    give_up(UINT64_MAX / 2);
    qsort(times, kept, sizeof *times, compare);
    printf("{\"rate\": %.0f, \"answered\": %lu, \"wrong\": %lu, \"lost\": %lu, \"strange\": %lu, "
           "\"unsent\": %lu, \"idle\": %.3f, \"late\": %lu, "
           "\"p50\": %.1f, \"p99\": %.1f, \"p999\": %.1f, \"most\": %.1f}\n",
           rate_seen, answered, wrong, lost, strange, refused_sends,
           (double)idle / (ended - begun), late, at(0.5), at(0.99), at(0.999), at(1));
    return 0;
}
