/* Keys that are fetched, from an HTTPS server on loopback whose keys are those of an identity provider made here: they come by
 * themselves, their state can be read, nothing is fetched from where it must not be, and a handle ends while a fetch is on its
 * way. The same with a host that makes the GETs, or puts keys when it has them. And what a child of fork may do with the handle
 * of its parent: nothing.
 *
 *     fetch TESTKEYS */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char origin[64];
static idjag_idp_t *idp;

/* How the server answers, and what it was asked. Read and written by several threads. */
enum { SERVES, HANGS, LIES };
static int mode, asked;

/* What an identity provider answers that fails or lies, for its keys or for its metadata, and what is said of that. */
static const struct {
    int for_keys;
    unsigned status;
    const char *body, *said;
} lies[] = {
    {0, 500, "", "status 500"},
    {0, 200, "{\"issuer\":\"https://idp.example\",\"jwks_uri\":\"https://127.0.0.1/keys\"}", "issuer `https://idp.example`"},
    {0, 200, "<html></html>", "metadata cannot be used"},
    {0, 302, "", "redirect (302)"},
    {1, 302, "", "redirect (302)"},
    {1, 200, "{\"keys\":[]}", "key set cannot be used"},
    {1, 200, NULL, "longer than 1 MiB"},
};
static size_t lie;

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *body) {
    struct MHD_Response *response = MHD_create_response_from_buffer(strlen(body), (void *)body, MHD_RESPMEM_MUST_COPY);
    enum MHD_Result sent = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return sent;
}

/* The lie that is told; without a body it is longer than anything that is read. */
static enum MHD_Result reply_with_lie(struct MHD_Connection *connection) {
    static char flood[(1 << 20) + 1];
    struct MHD_Response *response;
    enum MHD_Result sent;
    const char *body = lies[lie].body ? lies[lie].body : flood;
    size_t length = lies[lie].body ? strlen(body) : sizeof flood;
    if (body == flood) {
        memset(flood, ' ', sizeof flood);
    }
    response = MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_PERSISTENT);
    CHECK(MHD_add_response_header(response, "Location", "/elsewhere") == MHD_YES, "header");
    sent = MHD_queue_response(connection, lies[lie].status, response);
    MHD_destroy_response(response);
    return sent;
}

static enum MHD_Result serve(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                             const char *version, const char *data, size_t *size, void **state) {
    const struct timespec long_enough = {3, 0};
    char metadata[256];
    idjag_text_t *keys = NULL;
    enum MHD_Result sent;
    (void)context;
    (void)method;
    (void)version;
    (void)data;
    (void)size;
    (void)state;
    __atomic_add_fetch(&asked, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&mode, __ATOMIC_SEQ_CST) == HANGS) {
        nanosleep(&long_enough, NULL);
    }
    CHECK(strcmp(path, "/elsewhere") != 0, "a redirect was followed");
    if (__atomic_load_n(&mode, __ATOMIC_SEQ_CST) == LIES && lies[lie].for_keys == (strcmp(path, "/keys") == 0)) {
        return reply_with_lie(connection);
    }
    if (strcmp(path, "/.well-known/openid-configuration") == 0) {
        snprintf(metadata, sizeof metadata, "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/keys\"}", origin, origin);
        return reply(connection, 200, metadata);
    }
    if (strcmp(path, "/keys") != 0) {
        return reply(connection, 404, "");
    }
    CHECK(idjag_idp_jwks(idp, &keys, NULL) == IDJAG_OK, "keys");
    sent = reply(connection, 200, idjag_text_data(keys, NULL));
    idjag_text_free(keys);
    return sent;
}

/* A server that trusts this IdP. `more` is said of it. */
static idjag_exchange_t *new_engine_with(const idjag_callbacks_t *callbacks, const char *folder, const char *more) {
    static const char form[] =
        "issuer = 'https://auth.chat.example/'\naudit = 'off'\ntokens.keys = 'ephemeral'\nreplay.cold_start = 'accept'\n"
        "[[idps]]\nissuer = '%s'\n%s\n[[clients]]\nid = 'f53f191f9311af35'\nauth = 'none'\nconnectors = ['chat']\n"
        "[[connectors]]\nid = 'chat'\nresource = 'https://mcp.chat.example/'\nscopes = ['chat.read']\nstate = 'enabled'\n"
        "owner = 'o'\nreview_by = 2999-01-01\ngrants = [{ everyone = true, scopes = ['chat.read'] }]\n"
        "[fetch]\nca_file = 'loopback.pem'\n";
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_exchange_t *made = NULL;
    char text[1024];
    snprintf(text, sizeof text, form, origin, more);
    config.text = text;
    config.text_length = strlen(text);
    config.folder = folder;
    config.folder_length = strlen(folder);
    CHECK(idjag_exchange_new(&config, callbacks, &made, &error) == IDJAG_OK, "%s", error.message);
    return made;
}

static idjag_exchange_t *new_engine(const char *folder, const char *more) {
    return new_engine_with(NULL, folder, more);
}

/* What comes of a fresh ID-JAG by `by`. */
static idjag_result_t present(const idjag_exchange_t *engine, const idjag_idp_t *by, idjag_error_t *error) {
    idjag_request_t request = IDJAG_REQUEST_INIT;
    idjag_token_t *token = NULL;
    idjag_result_t result;
    char *id_jag = check_new_id_jag(by, (int64_t)time(NULL));
    request.assertion = id_jag;
    request.assertion_length = strlen(id_jag);
    request.client_id = "f53f191f9311af35";
    request.client_id_length = strlen(request.client_id);
    result = idjag_exchange(engine, &request, &token, error);
    CHECK((result == IDJAG_OK) == (token != NULL), "%d", (int)result);
    idjag_token_free(token);
    free(id_jag);
    return result;
}

/* The state of the only source. Its texts are there until the list is freed. */
static idjag_sources_t *state(const idjag_exchange_t *engine, idjag_source_t *source) {
    idjag_sources_t *sources = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    CHECK(idjag_sources(engine, &sources, &error) == IDJAG_OK && idjag_sources_count(sources) == 1, "%s", error.message);
    CHECK(idjag_sources_at(sources, 0, source, &error) == IDJAG_OK, "%s", error.message);
    CHECK(strcmp(source->owner, origin) == 0 && !source->is_client && !source->is_kept, "%s", source->owner);
    CHECK(idjag_sources_at(sources, 1, source, &error) == IDJAG_NOT_FOUND, "more than there are");
    return sources;
}

/* Until keys have come, or could not: under valgrind that takes longer than a request waits. */
static void until_keys_came(const idjag_exchange_t *engine) {
    const struct timespec a_moment = {0, 20000000};
    idjag_source_t source = IDJAG_SOURCE_INIT;
    int round, over = 0;
    for (round = 0; round < 3000 && !over; round++) {
        idjag_sources_t *sources = state(engine, &source);
        over = source.state == IDJAG_SOURCE_FRESH || source.failures > 0;
        idjag_sources_free(sources);
        nanosleep(&a_moment, NULL);
    }
}

static void they_come_by_themselves(const char *folder) {
    idjag_exchange_t *engine = new_engine(folder, "discover = true\nlocal = true");
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    idjag_sources_t *sources;
    idjag_text_t *keys = NULL;
    idjag_idp_t *other;
    char uri[80];
    size_t length;
    until_keys_came(engine);
    CHECK(present(engine, idp, &error) == IDJAG_OK, "%s", error.slug);
    sources = state(engine, &source);
    snprintf(uri, sizeof uri, "%s/keys", origin);
    CHECK(source.state == IDJAG_SOURCE_FRESH && strcmp(source.uri, uri) == 0, "%s", source.uri);
    CHECK(source.fetches == 1 && source.failures == 0 && source.last_error == NULL, "%s", source.last_error);
    CHECK(source.age_s >= 0 && source.age_s < 200 && source.next_s > 200, "%d", (int)source.age_s);
    /* An older program. */
    memset(&source, 7, sizeof source);
    source.struct_size = offsetof(idjag_source_t, uri);
    CHECK(idjag_sources_at(sources, 0, &source, &error) == IDJAG_OK && source.state == IDJAG_SOURCE_FRESH, "%s", error.message);
    CHECK(source.failures == 0x07070707 && source.struct_size == offsetof(idjag_source_t, uri), "written beyond");
    idjag_sources_free(sources);

    /* A key that the fresh set lacks does not exist; put by the host it does, and counts as fetched. */
    other = check_new_idp(origin, NULL);
    CHECK(present(engine, other, &error) == IDJAG_REFUSED && strcmp(error.slug, "kid_unknown") == 0, "%s", error.slug);
    CHECK(idjag_idp_jwks(other, &keys, &error) == IDJAG_OK, "%s", error.message);
    idjag_text_data(keys, &length);
    CHECK(idjag_put_jwks(engine, origin, strlen(origin), idjag_text_data(keys, NULL), length, &error) == IDJAG_OK, "%s",
          error.message);
    CHECK(present(engine, other, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(present(engine, idp, &error) == IDJAG_REFUSED && strcmp(error.slug, "kid_unknown") == 0, "%s", error.slug);
    idjag_text_free(keys);
    idjag_idp_free(other);
    idjag_exchange_free(engine);
}

static void nothing_from_where_it_must_not_be(const char *folder) {
    idjag_exchange_t *engine = new_engine(folder, "discover = true");
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    idjag_sources_t *sources;
    int before = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
    CHECK(present(engine, idp, &error) == IDJAG_UNAVAILABLE, "%s", error.slug);
    CHECK(strcmp(error.slug, "keys_unavailable") == 0 && error.http_status == 503 && error.retry_after_s >= 1, "%s", error.slug);
    sources = state(engine, &source);
    CHECK(source.state == IDJAG_SOURCE_ABSENT && source.age_s == -1 && source.failures == 1, "%d", (int)source.state);
    CHECK(strstr(source.last_error, "127.0.0.1 is not a public address") != NULL, "%s", source.last_error);
    CHECK(__atomic_load_n(&asked, __ATOMIC_SEQ_CST) == before, "it was asked");
    idjag_sources_free(sources);
    idjag_exchange_free(engine);
}

static void what_fails_or_lies_is_told(const char *folder) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    for (lie = 0; lie < sizeof lies / sizeof lies[0]; lie++) {
        idjag_exchange_t *engine;
        idjag_sources_t *sources;
        __atomic_store_n(&mode, LIES, __ATOMIC_SEQ_CST);
        engine = new_engine(folder, "discover = true\nlocal = true");
        until_keys_came(engine);
        CHECK(present(engine, idp, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "keys_unavailable") == 0, "%s", error.slug);
        sources = state(engine, &source);
        CHECK(source.state == IDJAG_SOURCE_ABSENT && source.failures > 0, "lie %d", (int)lie);
        CHECK(lies[lie].for_keys || source.uri == NULL, "%s", source.uri);
        CHECK(strstr(source.last_error, lies[lie].said) != NULL, "%s", source.last_error);
        idjag_sources_free(sources);
        idjag_exchange_free(engine);
        __atomic_store_n(&mode, SERVES, __ATOMIC_SEQ_CST);
    }
}

/* AddressSanitizer and valgrind see whether a thread comes back to an engine that is gone. */
static void a_handle_ends_while_a_fetch_is_on_its_way(const char *folder) {
    const struct timespec a_moment = {0, 5000000}, until_they_are_back = {4, 0};
    int round, before;
    __atomic_store_n(&mode, HANGS, __ATOMIC_SEQ_CST);
    for (round = 0; round < 4; round++) {
        idjag_exchange_t *engine;
        before = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
        engine = new_engine(folder, "discover = true\nlocal = true");
        while (round > 1 && __atomic_load_n(&asked, __ATOMIC_SEQ_CST) == before) {
            nanosleep(&a_moment, NULL);
        }
        idjag_exchange_free(engine);
    }
    nanosleep(&until_they_are_back, NULL);
    __atomic_store_n(&mode, SERVES, __ATOMIC_SEQ_CST);
}

static void a_child_of_fork_leaves_it_alone(const char *folder) {
    idjag_exchange_t *engine = new_engine(folder, "discover = true\nlocal = true");
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_stats_t stats = IDJAG_STATS_INIT;
    int status = 0;
    pid_t child;
    until_keys_came(engine);
    CHECK(present(engine, idp, &error) == IDJAG_OK, "%s", error.slug);
    child = fork();
    if (child == 0) {
        idjag_token_t *token = NULL;
        idjag_request_t request = IDJAG_REQUEST_INIT;
        request.assertion = request.client_id = "x";
        request.assertion_length = request.client_id_length = 1;
        CHECK(idjag_exchange(engine, &request, &token, &error) == IDJAG_MISUSE, "%s", error.message);
        CHECK(strstr(error.message, "fork") != NULL, "%s", error.message);
        CHECK(idjag_stats(engine, &stats, &error) == IDJAG_MISUSE, "%s", error.message);
        CHECK(idjag_put_policy(engine, "p", 1, "", 0, &error) == IDJAG_MISUSE, "%s", error.message);
        idjag_exchange_free(engine);
        /* Not by an exit: what the threads of the parent held is nobody's here, and valgrind would say so. */
        kill(getpid(), SIGKILL);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL, "%d", status);
    CHECK(present(engine, idp, &error) == IDJAG_OK, "%s", error.slug);
    idjag_exchange_free(engine);
}

/* A host that makes the GETs: what it answers, and what it was asked. */
struct host {
    int answer, asked, waits;
};

static int host_fetch(void *context, const char *url, size_t length, const char *etag, size_t etag_length, int is_local,
                      idjag_document_t *document) {
    const struct timespec a_moment = {0, 300000000};
    struct host *host = (struct host *)context;
    int answer = __atomic_load_n(&host->answer, __ATOMIC_SEQ_CST);
    char metadata[256];
    idjag_text_t *keys = NULL;
    size_t index;
    __atomic_add_fetch(&host->asked, 1, __ATOMIC_SEQ_CST);
    CHECK(strlen(url) == length && strncmp(url, origin, strlen(origin)) == 0 && !is_local, "%s", url);
    CHECK((etag == NULL) == (etag_length == 0), "%s", etag);
    if (host->waits) {
        nanosleep(&a_moment, NULL);
        host->waits = 0; /* where nobody waits for this, the host is gone by now */
    }
    if (answer != 200) {
        idjag_document_append(document, "{", 1, NULL);
        return answer;
    }
    for (index = 0; index < 100; index++) {
        CHECK(idjag_document_header(document, "Age", 3, "100", 3, NULL) == IDJAG_OK, "header");
    }
    if (strstr(url, "/.well-known/") != NULL) {
        snprintf(metadata, sizeof metadata, "{\"issuer\":\"%s\",\"jwks_uri\":\"%s/host-keys\"}", origin, origin);
        return idjag_document_append(document, metadata, strlen(metadata), NULL) == IDJAG_OK ? 200 : 0;
    }
    CHECK(strcmp(url + strlen(origin), "/host-keys") == 0, "%s", url);
    CHECK(idjag_idp_jwks(idp, &keys, NULL) == IDJAG_OK, "keys");
    idjag_text_data(keys, &length);
    CHECK(idjag_document_append(document, idjag_text_data(keys, NULL), length, NULL) == IDJAG_OK, "append");
    CHECK(idjag_document_header(document, "cache-CONTROL", 13, "max-age=3700", 12, NULL) == IDJAG_OK, "header");
    idjag_text_free(keys);
    return 200;
}

static void a_host_fetches(const char *folder) {
    static const struct {
        int answer;
        const char *error;
    } failures[] = {{404, "404"}, {302, "redirect"}, {200000, "could not ask"}, {-1, "could not ask"}, {0, "could not ask"}};
    struct host host = {200, 0, 0};
    idjag_callbacks_t callbacks = IDJAG_CALLBACKS_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_source_t source = IDJAG_SOURCE_INIT;
    idjag_sources_t *sources;
    idjag_exchange_t *engine;
    idjag_text_t *keys = NULL;
    size_t index, length;
    int before = __atomic_load_n(&asked, __ATOMIC_SEQ_CST);
    callbacks.context = &host;
    callbacks.fetch = host_fetch;
    engine = new_engine_with(&callbacks, folder, "discover = true");
    until_keys_came(engine);
    CHECK(present(engine, idp, &error) == IDJAG_OK, "%s", error.slug);
    CHECK(present(engine, idp, &error) == IDJAG_OK && host.asked == 2, "asked %d times", host.asked);
    sources = state(engine, &source);
    /* Fresh for 3700 s, of which 100 are over; up to a tenth earlier. */
    CHECK(source.state == IDJAG_SOURCE_FRESH && source.next_s > 3100 && source.next_s <= 3600, "%d", (int)source.next_s);
    CHECK(strstr(source.uri, "/host-keys") != NULL, "%s", source.uri);
    idjag_sources_free(sources);
    idjag_exchange_free(engine);

    for (index = 0; index < sizeof failures / sizeof failures[0]; index++) {
        host.answer = failures[index].answer;
        engine = new_engine_with(&callbacks, folder, "discover = true");
        CHECK(present(engine, idp, &error) == IDJAG_UNAVAILABLE && strcmp(error.slug, "keys_unavailable") == 0, "%s", error.slug);
        sources = state(engine, &source);
        CHECK(source.state == IDJAG_SOURCE_ABSENT && strstr(source.last_error, failures[index].error), "%s", source.last_error);
        idjag_sources_free(sources);
        if (index + 1 == sizeof failures / sizeof failures[0]) {
            /* It did not wait, and puts them now. */
            CHECK(idjag_idp_jwks(idp, &keys, NULL) == IDJAG_OK, "keys");
            idjag_text_data(keys, &length);
            CHECK(idjag_put_jwks(engine, origin, strlen(origin), idjag_text_data(keys, NULL), length, &error) == IDJAG_OK, "%s",
                  error.message);
            CHECK(present(engine, idp, &error) == IDJAG_OK, "%s", error.slug);
            sources = state(engine, &source);
            CHECK(source.state == IDJAG_SOURCE_FRESH && source.failures == 0 && !source.last_error, "%s", source.last_error);
            idjag_sources_free(sources);
            idjag_text_free(keys);
        }
        idjag_exchange_free(engine);
    }

    /* It is waited for when the handle ends: what follows is another host. */
    for (index = 0; index < 3; index++) {
        struct host *short_lived = (struct host *)calloc(1, sizeof *short_lived);
        short_lived->answer = 200;
        short_lived->waits = 1;
        callbacks.context = short_lived;
        engine = new_engine_with(&callbacks, folder, "discover = true");
        while (index > 0 && __atomic_load_n(&short_lived->asked, __ATOMIC_SEQ_CST) == 0) {
            const struct timespec a_moment = {0, 1000000};
            nanosleep(&a_moment, NULL);
        }
        idjag_exchange_free(engine);
        free(short_lived);
    }
    CHECK(__atomic_load_n(&asked, __ATOMIC_SEQ_CST) == before, "something else was asked");
}

int main(int count, char **arguments) {
    struct MHD_Daemon *daemon;
    struct sockaddr_in address;
    char path[512], *certificate, *key;
    CHECK(count == 2, "fetch TESTKEYS");
    snprintf(path, sizeof path, "%s/loopback.pem", arguments[1]);
    certificate = check_file(path);
    snprintf(path, sizeof path, "%s/loopback-key.pem", arguments[1]);
    key = check_file(path);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_TLS, 0, NULL, NULL,
                              serve, NULL, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_HTTPS_MEM_CERT, certificate,
                              MHD_OPTION_HTTPS_MEM_KEY, key, MHD_OPTION_END);
    CHECK(daemon != NULL, "the server does not start");
    snprintf(origin, sizeof origin, "https://127.0.0.1:%u",
             (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    idp = check_new_idp(origin, NULL);
    they_come_by_themselves(arguments[1]);
    nothing_from_where_it_must_not_be(arguments[1]);
    what_fails_or_lies_is_told(arguments[1]);
    a_handle_ends_while_a_fetch_is_on_its_way(arguments[1]);
    a_host_fetches(arguments[1]);
    a_child_of_fork_leaves_it_alone(arguments[1]);
    MHD_stop_daemon(daemon);
    idjag_idp_free(idp);
    free(certificate);
    free(key);
    printf("fetch: %d requests, and nothing that was not written down\n", asked);
    return 0;
}
