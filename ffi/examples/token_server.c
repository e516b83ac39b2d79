/* A token endpoint over HTTP, with libmicrohttpd: /token, /revoke, /introspect, the metadata and the keys.
 *
 *     token_server CONFIG [PORT [THREADS]]
 *
 * Listens on 127.0.0.1 only: put what speaks TLS in front. PORT 0, which is the default, takes a free one; the first line on
 * standard output says which. SIGHUP reads the configuration again, with policy, directory and keys; one with a fault is
 * named, and the server goes on with what it had. SIGTERM and SIGINT end it, once the requests that it has are answered.
 * Refusals are named on standard error by their slugs, which no client gets to see.
 */
#define _POSIX_C_SOURCE 200809L
#include <arpa/inet.h>
#include <idjag.h>
#include <microhttpd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One byte more than `limits.max_body_bytes` is enough to refuse a body that is too large. */
enum { MAX_BODY = 65536 + 1, MAX_HEADERS = 64 };

/* A request, from its first line to its answer. */
struct request {
    char *target;
    int begun;
    size_t length;
    char body[MAX_BODY];
};

typedef idjag_result_t endpoint(const idjag_exchange_t *, const idjag_http_request_t *, idjag_response_t **,
                                idjag_error_t *);
typedef idjag_result_t document(const idjag_exchange_t *, idjag_text_t **, idjag_error_t *);

static const struct {
    const char *path;
    endpoint *handle;
    document *show;
} routes[] = {
    {"/token", idjag_endpoint_handle, NULL},
    {"/revoke", idjag_endpoint_revoke, NULL},
    {"/introspect", idjag_endpoint_introspect, NULL},
    {"/.well-known/oauth-authorization-server", NULL, idjag_metadata},
    {"/jwks", NULL, idjag_jwks},
};

/* The request as it came: libmicrohttpd decodes it later. */
static void *begin(void *context, const char *target, struct MHD_Connection *connection) {
    struct request *request = malloc(sizeof *request);
    (void)context;
    (void)connection;
    if (request != NULL) {
        request->target = strdup(target);
        request->begun = 0;
        request->length = 0;
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
        free(request);
    }
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

static enum MHD_Result send_status(struct MHD_Connection *connection, unsigned status) {
    struct MHD_Response *empty = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result sent = MHD_queue_response(connection, status, empty);
    MHD_destroy_response(empty);
    return sent;
}

static void free_response(void *response) {
    idjag_response_free(response);
}

static void free_text(void *text) {
    idjag_text_free(text);
}

/* Sends what the library answered; its memory is freed when it is sent. */
static enum MHD_Result send_response(struct MHD_Connection *connection, idjag_response_t *response) {
    size_t length, index;
    const char *body = idjag_response_body(response, &length), *name, *value;
    unsigned status = (unsigned)idjag_response_status(response);
    struct MHD_Response *answer;
    enum MHD_Result sent;
    if (idjag_response_slug(response) != NULL) {
        fprintf(stderr, "refused: %s\n", idjag_response_slug(response));
    }
    answer = MHD_create_response_from_buffer_with_free_callback_cls(length, (void *)body, free_response, response);
    for (index = 0; (name = idjag_response_header_at(response, index, &value)) != NULL; index++) {
        MHD_add_response_header(answer, name, value);
    }
    sent = MHD_queue_response(connection, status, answer);
    MHD_destroy_response(answer);
    return sent;
}

static enum MHD_Result send_text(struct MHD_Connection *connection, idjag_text_t *text) {
    size_t length;
    const char *data = idjag_text_data(text, &length);
    struct MHD_Response *answer =
        MHD_create_response_from_buffer_with_free_callback_cls(length, (void *)data, free_text, text);
    enum MHD_Result sent;
    MHD_add_response_header(answer, "content-type", "application/json");
    sent = MHD_queue_response(connection, 200, answer);
    MHD_destroy_response(answer);
    return sent;
}

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *path, const char *method,
                              const char *version, const char *data, size_t *size, void **state) {
    const idjag_exchange_t *exchange = context;
    struct request *request = *state;
    idjag_error_t error = IDJAG_ERROR_INIT;
    size_t route;
    (void)version;
    if (request == NULL || request->target == NULL) {
        return MHD_NO;
    }
    if (!request->begun) {
        request->begun = 1; /* the headers are there, the body comes */
        return MHD_YES;
    }
    if (*size > 0) {
        size_t room = sizeof request->body - request->length, taken = *size < room ? *size : room;
        memcpy(request->body + request->length, data, taken);
        request->length += taken;
        *size = 0;
        return MHD_YES;
    }
    for (route = 0; route < sizeof routes / sizeof routes[0]; route++) {
        if (strcmp(path, routes[route].path) != 0) {
            continue;
        }
        if (routes[route].handle != NULL) {
            idjag_header_t headers[MAX_HEADERS];
            idjag_http_request_t http_request = IDJAG_HTTP_REQUEST_INIT;
            idjag_response_t *response = NULL;
            http_request.method = method;
            http_request.method_length = strlen(method);
            http_request.target = request->target;
            http_request.target_length = strlen(request->target);
            http_request.body = request->body;
            http_request.body_length = request->length;
            http_request.headers = headers;
            if (MHD_get_connection_values_n(connection, MHD_HEADER_KIND, NULL, NULL) > MAX_HEADERS) {
                return send_status(connection, 431);
            }
            MHD_get_connection_values_n(connection, MHD_HEADER_KIND, add_header, &http_request);
            if (routes[route].handle(exchange, &http_request, &response, &error) == IDJAG_OK) {
                return send_response(connection, response);
            }
        } else {
            idjag_text_t *text = NULL;
            if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
                return send_status(connection, 405);
            }
            if (routes[route].show(exchange, &text, &error) == IDJAG_OK) {
                return send_text(connection, text);
            }
        }
        fprintf(stderr, "%s: %s\n", path, error.message);
        return send_status(connection, 500);
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
    int signal_number;

    if (count < 2 || count > 4) {
        fprintf(stderr, "token_server CONFIG [PORT [THREADS]]\n");
        return 2;
    }
    config.file = arguments[1];
    config.file_length = strlen(arguments[1]);
    if (idjag_exchange_new(&config, NULL, &exchange, &error) != IDJAG_OK) {
        fprintf(stderr, "%s\n", error.message);
        return 2;
    }

    /* Signals come to this thread only, one at a time. */
    sigemptyset(&signals);
    sigaddset(&signals, SIGHUP);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((unsigned short)(count > 2 ? atoi(arguments[2]) : 0));
    daemon = MHD_start_daemon(MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, NULL, NULL, answer, exchange,
                              MHD_OPTION_SOCK_ADDR, &address, MHD_OPTION_URI_LOG_CALLBACK, begin, NULL,
                              MHD_OPTION_NOTIFY_COMPLETED, end, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
                              MHD_OPTION_THREAD_POOL_SIZE, (unsigned)(count > 3 ? atoi(arguments[3]) : 4), MHD_OPTION_END);
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
    MHD_stop_daemon(daemon);
    idjag_exchange_free(exchange);
    return 0;
}
