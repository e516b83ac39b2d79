/* Several threads on one handle, each assertion another one: what they get done beside one thread.
 *
 *     threads CONFIG REQUESTS
 *
 * Thread counts take turns over parts of the requests, in one process on one handle. The same is done by arithmetic that
 * touches no memory: what the machine gives to as many threads, which on a shared one is less than its cores. */
#define _POSIX_C_SOURCE 200809L
#include <idjag.h>
#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COUNTS = 4, MOST_THREADS = 8, ROUNDS = 7 };
static const size_t thread_counts[COUNTS] = {1, 2, 4, MOST_THREADS};

static const idjag_exchange_t *exchange;
static idjag_request_t *requests;
/* The part that is being worked on. */
static atomic_size_t next;
static size_t end;
static atomic_size_t granted;

static _Noreturn void fail(const char *what, const char *why) {
    fprintf(stderr, "threads: %s: %s\n", what, why);
    exit(1);
}

static void *exchanges(void *nothing) {
    size_t at, done = 0;
    while ((at = atomic_fetch_add(&next, 1)) < end) {
        idjag_token_t *token = NULL;
        done += idjag_exchange(exchange, &requests[at], &token, NULL) == IDJAG_OK;
        idjag_token_free(token);
    }
    atomic_fetch_add(&granted, done);
    return nothing;
}

/* As long as an exchange, more or less. */
static void *counts(void *nothing) {
    unsigned long state = 1;
    size_t at, done = 0;
    while ((at = atomic_fetch_add(&next, 1)) < end) {
        unsigned step;
        for (step = 0; step < 30000; step++) {
            state = state * 6364136223846793005u + at;
        }
        done += 1 + (state == 0);
    }
    atomic_fetch_add(&granted, done);
    return nothing;
}

/* How many a second. */
static double run(void *(*work)(void *), size_t threads, size_t from, size_t to) {
    pthread_t started[MOST_THREADS];
    struct timespec start, stop;
    size_t at;
    atomic_store(&next, from);
    atomic_store(&granted, 0);
    end = to;
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (at = 0; at < threads; at++) {
        if (pthread_create(&started[at], NULL, work, NULL) != 0) {
            fail("pthread_create", "no thread");
        }
    }
    for (at = 0; at < threads; at++) {
        pthread_join(started[at], NULL);
    }
    clock_gettime(CLOCK_MONOTONIC, &stop);
    if (atomic_load(&granted) != to - from) {
        fail("exchange", "not every assertion was granted");
    }
    return (double)(to - from) /
           ((double)(stop.tv_sec - start.tv_sec) + (double)(stop.tv_nsec - start.tv_nsec) / 1e9);
}

static int by_size(const void *one, const void *other) {
    double a = *(const double *)one, b = *(const double *)other;
    return (a > b) - (a < b);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_size);
    return values[ROUNDS / 2];
}

static size_t read_requests(const char *path) {
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, count = 0, most = 0;
    if (file == NULL) {
        fail(path, "cannot be read");
    }
    while (getline(&line, &room, file) >= 0) {
        json_t *read = json_loads(line, 0, NULL);
        idjag_request_t request = IDJAG_REQUEST_INIT;
        request.assertion = strdup(json_string_value(json_object_get(read, "assertion")));
        request.assertion_length = strlen(request.assertion);
        request.client_id = strdup(json_string_value(json_object_get(read, "client_id")));
        request.client_id_length = strlen(request.client_id);
        if (count == most) {
            most = 2 * most + 1024;
            requests = realloc(requests, most * sizeof *requests);
        }
        requests[count++] = request;
        json_decref(read);
    }
    free(line);
    fclose(file);
    return count;
}

int main(int count, char **arguments) {
    static double rates[COUNTS][ROUNDS], beside[COUNTS][ROUNDS], bare[COUNTS][ROUNDS];
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_exchange_t *made = NULL;
    size_t part, round, at, from = 0;
    if (count != 3) {
        fail("usage", "threads CONFIG REQUESTS");
    }
    config.file = arguments[1];
    config.file_length = strlen(arguments[1]);
    if (idjag_exchange_new(&config, NULL, &made, &error) != IDJAG_OK) {
        fail(arguments[1], error.message);
    }
    exchange = made;
    part = read_requests(arguments[2]) / (COUNTS * ROUNDS);
    for (round = 0; round < ROUNDS; round++) {
        double one = 0, one_bare = 0;
        for (at = 0; at < COUNTS; at++, from += part) {
            double rate = run(exchanges, thread_counts[at], from, from + part);
            double rate_bare = run(counts, thread_counts[at], from, from + part);
            one = at == 0 ? rate : one;
            one_bare = at == 0 ? rate_bare : one_bare;
            rates[at][round] = rate;
            beside[at][round] = rate / one;
            bare[at][round] = rate_bare / one_bare;
        }
    }
    printf("one handle, %ld cores, medians of %d rounds of %zu exchanges that take turns, RS256 -> EdDSA\n\n",
           sysconf(_SC_NPROCESSORS_ONLN), (int)ROUNDS, part);
    printf("threads   exchanges/s   times one thread   arithmetic alone\n");
    for (at = 0; at < COUNTS; at++) {
        printf("%7zu %13.0f %18.2f %18.2f\n", thread_counts[at], median(rates[at]), median(beside[at]), median(bare[at]));
    }
    idjag_exchange_free(made);
    return 0;
}
