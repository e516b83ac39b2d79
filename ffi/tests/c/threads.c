/* Eight threads on one handle: one assertion gives one token, whoever comes first, and what is replaced meanwhile is
 * replaced whole.
 *
 *     threads STEPS WORLD [rounds] */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>

enum { THREADS = 8 };

static pthread_barrier_t together;
static const idjag_exchange_t *engine;
static json_t *step;
static json_t *world;
static const char *world_path;

/* What is replaced while the others ask. */
enum { NOTHING, POLICY, DIRECTORY, KEYS, EVERYTHING, KINDS };
static int kind;

static const char written[] =
    "connectors = [\n"
    "{ id = \"chat\", resource = \"https://mcp.chat.example/\", scopes = [\"chat.read\"], state = \"enabled\", owner = \"o\",\n"
    "  review_by = 2027-02-01, grants = [{ everyone = true, issuer = \"https://acme.idp.example\", scopes = [\"chat.read\"] }] },\n"
    "{ id = \"notes\", resource = \"https://mcp.notes.example/\", scopes = [\"notes.read\"], state = \"planned\" }]\n";

struct counts {
    int number; /* of the thread, from 1 */
    int granted, replayed, valid, swapped;
};

static void exchange(struct counts *counts) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_token_t *token = NULL;
    idjag_presented_t presented = IDJAG_PRESENTED_INIT;
    idjag_verified_t *who = NULL;
    check_text(step, "assertion", &request.assertion, &request.assertion_length);
    check_text(step, "client_id", &request.client_id, &request.client_id_length);
    if (idjag_exchange(engine, &request, &token, &error) != IDJAG_OK) {
        CHECK(strcmp(error.slug, "replayed") == 0, "%s", error.slug);
        counts->replayed++;
        return;
    }
    counts->granted++;
    presented.token = idjag_token_access_token(token, &presented.token_length);
    presented.resource = idjag_token_resource(token, &presented.resource_length);
    CHECK(idjag_verify(engine, &presented, &who, &error) == IDJAG_OK, "%s", error.slug);
    counts->valid += idjag_verified_expires_at(who) == check_now + idjag_token_expires_in(token);
    idjag_verified_free(who);
    idjag_token_free(token);
}

/* Keys that are put again are no change, so each thread puts another document: with as many spaces as its number. */
static idjag_result_t replace(int number, idjag_error_t *error) {
    static const char *const people = "{\"version\":1,\"people\":[]}";
    json_t *idp = json_array_get(json_object_get(world, "idps"), 0);
    const char *issuer = json_string_value(json_object_get(idp, "issuer"));
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_result_t result;
    char *keys, *spaced;
    size_t length;
    switch (kind) {
    case POLICY: return idjag_put_policy(engine, "p", 1, written, strlen(written), error);
    case DIRECTORY: return idjag_put_directory(engine, IDJAG_DIRECTORY_JSON, "d", 1, people, strlen(people), error);
    case KEYS:
        keys = json_dumps(json_object_get(idp, "jwks"), 0);
        length = strlen(keys) + (size_t)number;
        spaced = malloc(length + 1);
        CHECK(spaced != NULL, "memory");
        snprintf(spaced, length + 1, "%s%*s", keys, number, "");
        result = idjag_put_jwks(engine, issuer, strlen(issuer), spaced, length, error);
        free(spaced);
        free(keys);
        return result;
    case EVERYTHING:
        config.file = world_path;
        config.file_length = strlen(world_path);
        return idjag_reload(engine, &config, error);
    default: return IDJAG_OK;
    }
}

static void *work(void *counts) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    pthread_barrier_wait(&together);
    exchange((struct counts *)counts);
    CHECK(replace(((struct counts *)counts)->number, &error) == IDJAG_OK, "%s", error.message);
    ((struct counts *)counts)->swapped += kind != NOTHING;
    exchange((struct counts *)counts);
    return NULL;
}

int main(int count, char **arguments) {
    int round, rounds = count > 3 ? atoi(arguments[3]) : 8 * KINDS, index;
    CHECK(count >= 3, "threads STEPS WORLD");
    step = check_case(arguments[1], "granted-rs256");
    world_path = arguments[2];
    world = json_load_file(world_path, 0, NULL);
    CHECK(world != NULL, "%s", world_path);
    CHECK(pthread_barrier_init(&together, NULL, THREADS) == 0, "barrier");
    for (round = 0; round < rounds; round++) {
        pthread_t threads[THREADS];
        struct counts counts[THREADS], sum = {0, 0, 0, 0, 0};
        idjag_exchange_t *handle = check_engine(arguments[2], json_integer_value(json_object_get(step, "now")));
        idjag_stats_t stats = IDJAG_STATS_INIT;
        engine = handle;
        kind = round % KINDS;
        for (index = 0; index < THREADS; index++) {
            memset(&counts[index], 0, sizeof counts[index]);
            counts[index].number = index + 1;
            CHECK(pthread_create(&threads[index], NULL, work, &counts[index]) == 0, "thread");
        }
        for (index = 0; index < THREADS; index++) {
            pthread_join(threads[index], NULL);
            sum.granted += counts[index].granted;
            sum.replayed += counts[index].replayed;
            sum.valid += counts[index].valid;
            sum.swapped += counts[index].swapped;
        }
        CHECK(sum.granted == 1 && sum.valid == 1 && sum.replayed == 2 * THREADS - 1, "round %d: %d granted", round,
              sum.granted);
        CHECK(idjag_stats(engine, &stats, NULL) == IDJAG_OK, "stats");
        CHECK(stats.granted == 1 && stats.refused == 2 * THREADS - 1, "counted otherwise");
        CHECK(stats.generation == (uint64_t)(1 + sum.swapped), "a change was lost");
        CHECK(stats.replay_entries == 1 && strlen(stats.policy_digest) == 64, "stats");
        idjag_exchange_free(handle);
    }
    printf("threads: %d rounds of %d threads, one token in each\n", rounds, (int)THREADS);
    pthread_barrier_destroy(&together);
    json_decref(step);
    json_decref(world);
    return 0;
}
