/* What the host keeps itself: which assertions were used, and the record. Whatever it answers but "first", and whatever it does
 * not say, is no token.
 *
 *     keeping */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <pthread.h>
#include <time.h>

enum { MOST = 512, THREADS = 8, EACH = 16 };

#define ISSUER "https://acme.idp.example"

static idjag_idp_t *idp;

/* A host: its table, its record, and how they fail. */
struct host {
    pthread_mutex_t lock;
    size_t held, dies_after, calls;
    unsigned char keys[MOST][16];
    uint32_t instead; /* what is answered instead of the truth; 0: the truth */
    int silent;       /* nothing is answered */
    int64_t since, forgets; /* since when it remembers, and how much later with each claim */
    json_t *lines;
    int refuses, never_durable;
    uint64_t waited;
};

static uint32_t look(struct host *host, const unsigned char *key) {
    size_t index;
    for (index = 0; index < host->held; index++) {
        if (memcmp(host->keys[index], key, 16) == 0) {
            return IDJAG_CLAIM_SEEN;
        }
    }
    return IDJAG_CLAIM_FIRST;
}

static void claim(void *context, const uint8_t *keys, const int64_t *expires_at, size_t count, int64_t now, uint32_t *answers) {
    struct host *host = (struct host *)context;
    size_t index;
    pthread_mutex_lock(&host->lock);
    host->calls++;
    host->since += host->forgets;
    for (index = 0; index < count && !host->silent; index++) {
        CHECK(answers[index] == 0 && expires_at[index] > now, "claim %zu", index);
        if (host->instead != 0) {
            answers[index] = host->instead;
            continue;
        }
        if (host->held >= host->dies_after) {
            continue;
        }
        answers[index] = look(host, keys + 16 * index);
        if (answers[index] == IDJAG_CLAIM_FIRST) {
            CHECK(host->held < MOST, "full");
            memcpy(host->keys[host->held++], keys + 16 * index, 16);
        }
    }
    pthread_mutex_unlock(&host->lock);
}

static int64_t remembers_since(void *context) {
    return ((struct host *)context)->since;
}

static int take(void *context, const char *line, size_t length, uint64_t *receipt) {
    struct host *host = (struct host *)context;
    json_error_t why;
    json_t *read = json_loadb(line, length, 0, &why);
    int answer;
    CHECK(read != NULL && memchr(line, '\n', length) == NULL, "%s", why.text);
    pthread_mutex_lock(&host->lock);
    answer = host->refuses;
    if (answer == IDJAG_OK) {
        json_array_append_new(host->lines, read);
        *receipt = 1000 + json_array_size(host->lines);
    } else {
        json_decref(read);
    }
    pthread_mutex_unlock(&host->lock);
    return answer;
}

static int wait_for(void *context, uint64_t receipt) {
    struct host *host = (struct host *)context;
    pthread_mutex_lock(&host->lock);
    CHECK(receipt > 1000 && receipt <= 1000 + json_array_size(host->lines), "%d", (int)receipt);
    host->waited++;
    pthread_mutex_unlock(&host->lock);
    return host->never_durable;
}

static struct host new_host(void) {
    struct host host;
    memset(&host, 0, sizeof host);
    CHECK(pthread_mutex_init(&host.lock, NULL) == 0, "mutex");
    host.dies_after = MOST;
    host.lines = json_array();
    return host;
}

static idjag_callbacks_t store_of(struct host *host) {
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    callbacks.context = host;
    callbacks.claim = claim;
    return callbacks;
}

static idjag_callbacks_t record_of(struct host *host) {
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    callbacks.context = host;
    callbacks.record = take;
    callbacks.record_wait = wait_for;
    return callbacks;
}

static idjag_result_t make(const idjag_callbacks_t *callbacks, const char *more, idjag_exchange_t **made, idjag_error_t *error) {
    static const char form[] =
        "issuer = 'https://auth.chat.example/'\ntokens.keys = 'ephemeral'\n%s"
        "[[idps]]\nissuer = '" ISSUER "'\njwks_uri = '" ISSUER "/jwks'\n[[clients]]\nid = 'f53f191f9311af35'\nauth = 'none'\n"
        "connectors = ['chat']\n[[connectors]]\nid = 'chat'\nresource = 'https://mcp.chat.example/'\nscopes = ['chat.read']\n"
        "state = 'enabled'\nowner = 'o'\nreview_by = 2999-01-01\n"
        "grants = [{ everyone = true, scopes = ['chat.read'] }]\n[fetch]\nenabled = false\n%s\n";
    idjag_config_t config = IDJAG_CONFIG_INIT;
    char text[1024];
    snprintf(text, sizeof text, form, strstr(more, "audit") != NULL ? "" : "audit = 'off'\n", more);
    config.text = text;
    config.text_length = strlen(text);
    return idjag_exchange_new(&config, callbacks, made, error);
}

static idjag_exchange_t *new_engine(const idjag_callbacks_t *callbacks) {
    idjag_exchange_t *made = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_text_t *keys = NULL;
    size_t length;
    CHECK(make(callbacks, "", &made, &error) == IDJAG_OK, "%s", error.message);
    CHECK(idjag_idp_jwks(idp, &keys, &error) == IDJAG_OK, "%s", error.message);
    idjag_text_data(keys, &length);
    CHECK(idjag_put_jwks(made, ISSUER, strlen(ISSUER), idjag_text_data(keys, NULL), length, &error) == IDJAG_OK, "%s",
          error.message);
    idjag_text_free(keys);
    return made;
}

static char *id_jag(void) {
    return check_new_id_jag(idp, (int64_t)time(NULL));
}

static idjag_request_t request_of(const char *assertion) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    request.assertion = assertion;
    request.assertion_length = strlen(assertion);
    request.client_id = "f53f191f9311af35";
    request.client_id_length = strlen(request.client_id);
    return request;
}

static idjag_result_t present(const idjag_exchange_t *engine, const char *assertion, idjag_error_t *error) {
    idjag_request_t request = request_of(assertion);
    idjag_token_t *token = NULL;
    idjag_result_t result = idjag_exchange(engine, &request, &token, error);
    CHECK((result == IDJAG_OK) == (token != NULL), "%d", (int)result);
    idjag_token_free(token);
    return result;
}

static idjag_result_t present_fresh(const idjag_exchange_t *engine, idjag_error_t *error) {
    char *assertion = id_jag();
    idjag_result_t result = present(engine, assertion, error);
    free(assertion);
    return result;
}

/* Eight threads, two engines that share the host's table. */
static idjag_exchange_t *shared[2];
static char *assertions[EACH];
static int granted;

static void *work(void *unused) {
    int index;
    (void)unused;
    for (index = 0; index < EACH * 2; index++) {
        idjag_error_t error = IDJAG_ERROR_INIT;
        switch (present(shared[index / EACH], assertions[index % EACH], &error)) {
        case IDJAG_OK: __atomic_add_fetch(&granted, 1, __ATOMIC_SEQ_CST); break;
        case IDJAG_REFUSED: CHECK(strcmp(error.slug, "replayed") == 0, "%s", error.slug); break;
        default: CHECK(strcmp(error.slug, "replay_unavailable") == 0, "%s", error.slug);
        }
    }
    return NULL;
}

static int on_threads(struct host *host) {
    idjag_callbacks_t callbacks = store_of(host);
    pthread_t threads[THREADS];
    int index;
    granted = 0;
    shared[0] = new_engine(&callbacks);
    shared[1] = new_engine(&callbacks);
    for (index = 0; index < EACH; index++) {
        assertions[index] = id_jag();
    }
    for (index = 0; index < THREADS; index++) {
        CHECK(pthread_create(&threads[index], NULL, work, NULL) == 0, "thread");
    }
    for (index = 0; index < THREADS; index++) {
        pthread_join(threads[index], NULL);
    }
    for (index = 0; index < EACH; index++) {
        free(assertions[index]);
    }
    idjag_exchange_free(shared[0]);
    idjag_exchange_free(shared[1]);
    return granted;
}

/* A batch comes as batches; a store that dies in the middle gives no token more. */
static void a_wave(void) {
    enum { WAVE = 200, ALIVE = 70 };
    struct host host = new_host();
    idjag_callbacks_t callbacks = store_of(&host);
    idjag_exchange_t *engine = new_engine(&callbacks);
    idjag_request_t requests[WAVE];
    idjag_result_t results[WAVE];
    idjag_token_t *tokens[WAVE];
    idjag_error_t error = IDJAG_ERROR_INIT, errors[WAVE];
    int index, first = 0, unavailable = 0;
    host.dies_after = ALIVE;
    for (index = 0; index < WAVE; index++) {
        errors[index] = error;
        tokens[index] = NULL;
        requests[index] = request_of(id_jag());
    }
    CHECK(idjag_exchange_many(engine, requests, WAVE, 2, results, tokens, errors, &error) == IDJAG_OK, "%s", error.message);
    for (index = 0; index < WAVE; index++) {
        first += results[index] == IDJAG_OK;
        unavailable += results[index] == IDJAG_UNAVAILABLE && strcmp(errors[index].slug, "replay_unavailable") == 0;
        CHECK((results[index] == IDJAG_OK) == (tokens[index] != NULL) && (tokens[index] != NULL) == (index < ALIVE), "%d", index);
        idjag_token_free(tokens[index]);
        free((void *)requests[index].assertion);
    }
    CHECK(first == ALIVE && unavailable == WAVE - ALIVE, "%d granted", first);
    CHECK(host.calls == (WAVE + 63) / 64, "%zu calls", host.calls);
    idjag_exchange_free(engine);
    json_decref(host.lines);
}

/* What is no answer. */
static void garbage(void) {
    static const uint32_t answers[] = {1, 2, 3, 10, 13, 0xffffffff, 0x0b0b0b0b};
    struct host host = new_host();
    idjag_callbacks_t callbacks = store_of(&host);
    idjag_exchange_t *engine = new_engine(&callbacks);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    size_t index;
    for (index = 0; index <= sizeof answers / sizeof answers[0]; index++) {
        host.silent = index == sizeof answers / sizeof answers[0];
        host.instead = host.silent ? 0 : answers[index];
        CHECK(present_fresh(engine, &error) == IDJAG_UNAVAILABLE, "%zu", index);
        CHECK(strcmp(error.slug, "replay_unavailable") == 0 && error.http_status == 503, "%s", error.slug);
    }
    host.silent = 0;
    host.instead = IDJAG_CLAIM_SEEN;
    CHECK(present_fresh(engine, &error) == IDJAG_REFUSED && strcmp(error.slug, "replayed") == 0, "%s", error.slug);
    host.instead = 0;
    CHECK(present_fresh(engine, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(idjag_stats(engine, &stats, &error) == IDJAG_OK && stats.granted == 1 && stats.replay_entries == 0, "stats");
    idjag_exchange_free(engine);

    /* What a claim was made of began anew meanwhile; and what is older than memory is refused. */
    callbacks.remembers_since = remembers_since;
    host.since = (int64_t)time(NULL) - 600;
    engine = new_engine(&callbacks);
    CHECK(present_fresh(engine, &error) == IDJAG_OK, "%s", error.slug);
    host.forgets = 1;
    CHECK(present_fresh(engine, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "replay_unavailable") == 0, "%s", error.slug);
    host.forgets = 0;
    host.since = (int64_t)time(NULL) + 600;
    CHECK(present_fresh(engine, &error) == IDJAG_REFUSED && strcmp(error.slug, "issued_before_start") == 0, "%s", error.slug);
    idjag_exchange_free(engine);
    json_decref(host.lines);
}

static const char *member(const struct host *host, size_t at, const char *name) {
    return json_string_value(json_object_get(json_array_get(host->lines, at), name));
}

static int has_event(const struct host *host, const char *event) {
    size_t at = 0;
    while (at < json_array_size(host->lines) && strcmp(member(host, at, "event"), event) != 0) {
        at++;
    }
    return at < json_array_size(host->lines);
}

static void a_record(void) {
    static const int refusals[] = {-1, 1, IDJAG_UNAVAILABLE, 200};
    struct host host = new_host();
    idjag_callbacks_t callbacks = record_of(&host);
    idjag_exchange_t *engine = new_engine(&callbacks);
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_token_t *token = NULL;
    idjag_request_t request;
    char *assertion = id_jag(), *text;
    size_t before, index;
    CHECK(has_event(&host, "policy_loaded") && has_event(&host, "directory_loaded"), "%s", member(&host, 0, "event"));
    CHECK(strcmp(member(&host, json_array_size(host.lines) - 1, "event"), "keys_changed") == 0, "no keys");
    json_array_clear(host.lines);
    request = request_of(assertion);
    CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(json_array_size(host.lines) == 1 && strcmp(member(&host, 0, "decision"), "allow") == 0 && host.waited == 1, "line");
    CHECK(strcmp(member(&host, 0, "sub"), "ada") == 0 && member(&host, 0, "timestamp") != NULL, "line");
    text = json_dumps(host.lines, 0);
    CHECK(strstr(text, idjag_token_access_token(token, NULL)) == NULL && strstr(text, assertion) == NULL, "%s", text);
    free(text);
    idjag_token_free(token);
    CHECK(present(engine, assertion, &error) == IDJAG_REFUSED, "%s", error.slug);
    CHECK(strcmp(member(&host, 1, "reason"), "replayed") == 0 && host.waited == 1, "a refusal is waited for");
    free(assertion);

    /* What it refuses is not granted, and stays spent. */
    assertion = id_jag();
    for (index = 0; index < sizeof refusals / sizeof refusals[0]; index++) {
        host.refuses = refusals[index];
        CHECK(present_fresh(engine, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "record_unavailable") == 0, "%s", error.slug);
        CHECK(present(engine, assertion, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "record_unavailable") == 0, "%s",
              error.slug);
    }
    host.refuses = 0;
    CHECK(present(engine, assertion, &error) == IDJAG_REFUSED && strcmp(error.slug, "replayed") == 0, "%s", error.slug);
    before = json_array_size(host.lines);
    host.never_durable = 5;
    CHECK(present_fresh(engine, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "record_unavailable") == 0, "%s", error.slug);
    CHECK(json_array_size(host.lines) == before + 1, "no line");
    host.never_durable = 0;
    CHECK(present_fresh(engine, &error) == IDJAG_OK, "%s", error.slug);
    idjag_exchange_free(engine);
    free(assertion);
    json_decref(host.lines);
}

/* The other party has them, too. */
static void of_an_identity_provider(void) {
    struct host host = new_host();
    idjag_callbacks_t callbacks = record_of(&host);
    idjag_idp_t *issuing;
    char *assertion;
    callbacks.claim = claim;
    issuing = check_new_idp(ISSUER, &callbacks);
    assertion = check_new_id_jag(issuing, (int64_t)time(NULL));
    CHECK(json_array_size(host.lines) == 1 && strcmp(member(&host, 0, "decision"), "allow") == 0, "line");
    host.refuses = IDJAG_UNAVAILABLE;
    check_ask(issuing, "not.a.token", "record_unavailable");
    free(assertion);
    idjag_idp_free(issuing);
    json_decref(host.lines);
}

/* What the host keeps is not kept elsewhere as well. */
static void contradictions(void) {
    struct host host = new_host();
    idjag_callbacks_t store = store_of(&host), record = record_of(&host);
    idjag_exchange_t *made = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    CHECK(make(&store, "[replay]\nstore = 'file'\npath = '/nowhere'", &made, &error) == IDJAG_LOAD_FAILED, "made");
    CHECK(strstr(error.message, "the one that the host brings") != NULL, "%s", error.message);
    CHECK(make(&record, "[audit]", &made, &error) == IDJAG_LOAD_FAILED && made == NULL, "made");
    CHECK(strstr(error.message, "the host takes the record") != NULL, "%s", error.message);
    json_decref(host.lines);
}

int main(void) {
    struct host host = new_host();
    int given;
    idp = check_new_idp(ISSUER, NULL);
    given = on_threads(&host);
    CHECK(given == EACH && host.held == EACH, "%d tokens for %d assertions", given, (int)EACH);
    host.held = 0;
    host.dies_after = EACH / 2;
    given = on_threads(&host);
    CHECK(given == EACH / 2, "%d tokens of a store that died after %d", given, EACH / 2);
    json_decref(host.lines);
    a_wave();
    garbage();
    a_record();
    of_an_identity_provider();
    contradictions();
    idjag_idp_free(idp);
    puts("keeping: what the host does not say is no token");
    return 0;
}
