/* A token endpoint over HTTP, with libmicrohttpd: /token, /revoke, /introspect, the metadata and the keys, for an issuer
 * identifier without a path and the endpoints that it has by default.
 *
 *     token_server CONFIG [PORT [THREADS]]
 *
 * Listens on 127.0.0.1 only: put what speaks TLS in front. PORT 0, which is the default, takes a free one; the first line on
 * standard output says which. THREADS is 4 by default. SIGHUP reads the configuration again, with policy, directory and keys;
 * one with a fault is named, and the server goes on with what it had. SIGTERM and SIGINT end it: nobody connects any more, and
 * those who are connected have five seconds. Refusals are named on standard error by their slugs, which no client gets to see.
 *
 * Each of the THREADS has many connections, and a request that waits for keys or for the disk keeps the others of its thread
 * waiting: where either takes long, give it more of them.
 *
 * Who connects is what stands in front, so there is no `peer` here, and nobody is slowed down who guesses secrets. Pass on
 * whom that one says it serves.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <idjag.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* One byte more than `limits.max_body_bytes` is enough to refuse a body that is too large. A connection needs memory for its
 * headers and a piece of the body; libmicrohttpd clears it after each request, so that little is fast. */
enum { MAX_BODY = 65536 + 1, MAX_HEADERS = 64, CONNECTION_MEMORY = 8192 };

/* A request, from its first line to its answer. */
struct request {
    char *target;
    int begun;
    size_t length;
    char *body;
};

typedef idjag_result_t endpoint(const idjag_exchange_t *, const idjag_http_request_t *, idjag_response_t **,
                                idjag_error_t *);
typedef struct MHD_Response *document(const idjag_exchange_t *, idjag_error_t *);

/* The request as it came: libmicrohttpd decodes it later. */
static void *begin(void *context, const char *target, struct MHD_Connection *connection) {
    struct request *request = calloc(1, sizeof *request);
    (void)context;
    (void)connection;
    if (request != NULL) {
        request->target = strdup(target);
    }
    return request;
}

static void end(void *context, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode code) {
    struct request *request = *state;
    (void)context;
    (void)connection;
    (void)code;
    if (request != NULL) {
        free(request->target);
        free(request->body);
        free(request);
    }
}

/* Adds a piece of the body, as far as it counts. */
static enum MHD_Result add_body(struct request *request, const char *data, size_t size) {
    size_t room = MAX_BODY - request->length, taken = size < room ? size : room;
    char *body = taken > 0 ? realloc(request->body, request->length + taken) : request->body;
    if (body == NULL) {
        return MHD_NO;
    }
    memcpy(body + request->length, data, taken);
    request->body = body;
    request->length += taken;
    return MHD_YES;
}

static enum MHD_Result add_header(void *list, enum MHD_ValueKind kind, const char *name, size_t name_length,
                                  const char *value, size_t value_length) {
    idjag_http_request_t *request = list;
    idjag_header_t header = IDJAG_HEADER_INIT;
    (void)kind;
    if (request->header_count == MAX_HEADERS) {
        return MHD_NO;
    }
    header.name = name;
    header.name_length = name_length;
    header.value = value != NULL ? value : "";
    header.value_length = value != NULL ? value_length : 0;
    ((idjag_header_t *)request->headers)[request->header_count++] = header;
    return MHD_YES;
}

/* Sends a response, and lets go of it. */
static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response) {
    enum MHD_Result sent = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return sent;
}

static enum MHD_Result send_status(struct MHD_Connection *connection, unsigned status) {
    return reply(connection, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT));
}

static void free_response(void *response) {
    idjag_response_free(response);
}

static void free_text(void *text) {
    idjag_text_free(text);
}

/* Hands the request to the library and sends what it answers, whose memory is freed once it is sent. */
static enum MHD_Result ask(const idjag_exchange_t *exchange, struct MHD_Connection *connection, const char *method,
                           const struct request *request, endpoint *handle) {
    idjag_header_t headers[MAX_HEADERS];
    idjag_http_request_t asked = IDJAG_HTTP_REQUEST_INIT;
    idjag_response_t *answer = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    struct MHD_Response *response;
    const char *body, *name, *value;
    size_t length, index;
    if (MHD_get_connection_values_n(connection, MHD_HEADER_KIND, NULL, NULL) > MAX_HEADERS) {
        return send_status(connection, 431);
    }
    asked.method = method;
    asked.method_length = strlen(method);
    asked.target = request->target;
    asked.target_length = strlen(request->target);
    asked.body = request->body;
    asked.body_length = request->length;
    asked.headers = headers;
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, &asked);
    if (handle(exchange, &asked, &answer, &error) != IDJAG_OK) {
        fprintf(stderr, "%s: %s\n", request->target, error.message);
        return send_status(connection, 500);
    }
    if (idjag_response_slug(answer) != NULL) {
        fprintf(stderr, "refused: %s\n", idjag_response_slug(answer));
    }
    body = idjag_response_body(answer, &length);
    response = MHD_create_response_from_buffer_with_free_callback_cls(length, (void *)body, free_response, answer);
    for (index = 0; (name = idjag_response_header_at(answer, index, &value)) != NULL; index++) {
        MHD_add_response_header(response, name, value);
    }
    return reply(connection, (unsigned)idjag_response_status(answer), response);
}

static struct MHD_Response *jwks(const idjag_exchange_t *exchange, idjag_error_t *error) {
    idjag_text_t *text = NULL;
    size_t length;
    const char *data;
    if (idjag_jwks(exchange, &text, error) != IDJAG_OK) {
        return NULL;
    }
    data = idjag_text_data(text, &length);
    return MHD_create_response_from_buffer_with_free_callback_cls(length, (void *)data, free_text, text);
}

/* The metadata with an authorization endpoint in front, without which clients of the MCP SDKs cannot read it. */
static struct MHD_Response *metadata(const idjag_exchange_t *exchange, idjag_error_t *error) {
    static const char form[] = "{\"authorization_endpoint\":\"%s\",%s";
    struct MHD_Response *response = NULL;
    idjag_text_t *text = NULL, *url = NULL;
    if (idjag_metadata(exchange, &text, error) == IDJAG_OK &&
        idjag_authorization_endpoint(exchange, &url, error) == IDJAG_OK) {
        const char *where = idjag_text_data(url, NULL), *behind_the_brace = idjag_text_data(text, NULL) + 1;
        size_t room = sizeof form + strlen(where) + strlen(behind_the_brace);
        char *document = malloc(room);
        if (document != NULL) {
            size_t length = (size_t)snprintf(document, room, form, where, behind_the_brace);
            response = MHD_create_response_from_buffer(length, document, MHD_RESPMEM_MUST_FREE);
        }
    }
    idjag_text_free(text);
    idjag_text_free(url);
    return response;
}

/* What that endpoint says to everybody: here is no code to be had. */
static struct MHD_Response *unauthorized(const idjag_exchange_t *exchange, idjag_error_t *error) {
    static char refusal[] = "{\"error\":\"unauthorized_client\"}";
    (void)exchange;
    (void)error;
    return MHD_create_response_from_buffer(sizeof refusal - 1, refusal, MHD_RESPMEM_PERSISTENT);
}

/* Sends a document. */
static enum MHD_Result show(const idjag_exchange_t *exchange, struct MHD_Connection *connection, const char *method,
                            unsigned status, document *make) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    struct MHD_Response *response;
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        return send_status(connection, 405);
    }
    if ((response = make(exchange, &error)) == NULL) {
        fprintf(stderr, "a document: %s\n", error.message);
        return send_status(connection, 500);
    }
    MHD_add_response_header(response, "content-type", "application/json");
    return reply(connection, status, response);
}

static const struct {
    const char *path;
    endpoint *handle;
    document *make;
    unsigned status;
} routes[] = {
    {"/token", idjag_endpoint_handle, NULL, 0},
    {"/revoke", idjag_endpoint_revoke, NULL, 0},
    {"/introspect", idjag_endpoint_introspect, NULL, 0},
    {"/.well-known/oauth-authorization-server", NULL, metadata, 200},
    {"/jwks", NULL, jwks, 200},
    {"/authorize", NULL, unauthorized, 400},
};

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **state) {
    const idjag_exchange_t *exchange = context;
    struct request *request = *state;
    size_t piece = *size, route;
    (void)version;
    if (request == NULL || request->target == NULL) {
        return MHD_NO;
    }
    if (!request->begun) {
        request->begun = 1; /* the headers are there, the body comes */
        return MHD_YES;
    }
    if (piece > 0) {
        *size = 0;
        return add_body(request, data, piece);
    }
    for (route = 0; route < sizeof routes / sizeof routes[0]; route++) {
        if (strcmp(path, routes[route].path) == 0) {
            return routes[route].handle != NULL
                       ? ask(exchange, connection, method, request, routes[route].handle)
                       : show(exchange, connection, method, routes[route].status, routes[route].make);
        }
    }
    return send_status(connection, 404);
}

int main(int count, char **arguments) {
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_exchange_t *exchange = NULL;
    struct MHD_Daemon *daemon;
    struct sockaddr_in address;
    sigset_t signals;
    int signal_number, tenths;
    MHD_socket listening;
    const struct timespec tenth = {0, 100000000};
    unsigned threads = (unsigned)(count > 3 ? atoi(arguments[3]) : 4);

    if (count < 2 || count > 4) {
        fprintf(stderr, "token_server CONFIG [PORT [THREADS]]\n");
        return 2;
    }
    /* Signals come to this thread only, one at a time: the threads that are started below have the same mask. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    config.file = arguments[1];
    config.file_length = strlen(arguments[1]);
    if (idjag_exchange_new(&config, NULL, &exchange, &error) != IDJAG_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)(count > 2 ? atoi(arguments[2]) : 0));
    /* ITC is what wakes the threads when nobody is to connect any more. */
    daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer,
                              exchange, MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_URI_LOG_CALLBACK, begin, NULL,
                              MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                              MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_MEMORY,
                              /* One thread is no pool, and then the list ends here. */
                              threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, threads, MHD_OPTION_END);
    if (daemon == NULL) {
        fprintf(stderr, "the server cannot start\n");
        idjag_exchange_free(exchange);
        return 2;
    }
    printf("http://127.0.0.1:%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);

    while (sigwait(&signals, &signal_number) == 0 && signal_number == SIGHUP) {
        if (idjag_reload(exchange, &config, &error) == IDJAG_OK) {
            fprintf(stderr, "the configuration was read again\n");
        } else {
            fprintf(stderr, "nothing was changed: %s\n", error.message);
        }
    }
    listening = MHD_quiesce_daemon(daemon);
    if (listening != MHD_INVALID_SOCKET) {
        shutdown(listening, SHUT_RD); /* it can be closed only when the daemon has stopped */
    }
    for (tenths = 0; tenths < 50; tenths++) {
        if (MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS)->num_connections == 0) {
            break;
        }
        nanosleep(&tenth, NULL);
    }
    MHD_stop_daemon(daemon);
    if (listening != MHD_INVALID_SOCKET) {
        close(listening);
    }
    idjag_exchange_free(exchange);
    return 0;
}
