/* A second process over one configuration file: refused where each would have a memory of its own.
 *
 *     alone FOLDER */
#define _POSIX_C_SOURCE 200809L
#include "check.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static char path[512];

static void write_config(const char *replay) {
    static const char form[] = "issuer = 'https://auth.chat.example/'\naudit = 'off'\ntokens.keys = 'ephemeral'\nidps = []\nclients = []\n%s\n";
    FILE *file = fopen(path, "w");
    CHECK(file != NULL, "%s", path);
    fprintf(file, form, replay);
    fclose(file);
}

static idjag_result_t make(idjag_exchange_t **made, idjag_error_t *error) {
    idjag_config_t config = IDJAG_CONFIG_INIT;
    config.file = path;
    config.file_length = strlen(path);
    return idjag_exchange_new(&config, NULL, made, error);
}

/* What a child of fork comes to, which is a process of its own: whether it can make a handle. */
static int another(void) {
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        idjag_exchange_t *made = NULL;
        idjag_error_t error = IDJAG_ERROR_INIT;
        idjag_result_t result = make(&made, &error);
        if (result == IDJAG_OK) {
            idjag_exchange_free(made);
            _exit(10);
        }
        CHECK(result == IDJAG_LOAD_FAILED && made == NULL, "%s", error.message);
        CHECK(strncmp(error.message, path, strlen(path)) == 0 && strstr(error.message, "another process") != NULL, "%s",
              error.message);
        _exit(11);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) >= 10, "%d", status);
    return WEXITSTATUS(status) == 10;
}

/* A child that lives on, and does nothing. */
static pid_t idle(void) {
    pid_t child = fork();
    if (child == 0) {
        pause();
        _exit(0);
    }
    return child;
}

/* A child of fork that goes on with its parent's identity provider: each would take the same client assertion once. */
static void an_idp_is_not_inherited(void) {
    static const char text[] =
        "issuer = 'https://acme.idp.example'\ntokens.keys = 'ephemeral'\nclients = []\nsubject_tokens = []\ntargets = []\n";
    idjag_config_t config = IDJAG_CONFIG_INIT;
    idjag_http_request_t request = IDJAG_HTTP_REQUEST_INIT;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_response_t *response = NULL;
    idjag_text_t *warnings = NULL;
    idjag_idp_t *idp = NULL;
    int status = 0;
    pid_t child;
    config.text = text;
    config.text_length = strlen(text);
    request.method = request.target = "x";
    request.method_length = request.target_length = 1;
    CHECK(idjag_idp_new(&config, NULL, &idp, &error) == IDJAG_OK, "%s", error.message);
    child = fork();
    if (child == 0) {
        CHECK(idjag_idp_handle(idp, &request, &response, &error) == IDJAG_MISUSE && response == NULL, "handled");
        CHECK(strstr(error.message, "fork") != NULL, "%s", error.message);
        CHECK(idjag_idp_warnings(idp, &warnings, &error) == IDJAG_MISUSE && warnings == NULL, "told");
        idjag_idp_free(idp);
        _exit(12);
    }
    CHECK(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 12, "%d", status);
    CHECK(idjag_idp_handle(idp, &request, &response, &error) == IDJAG_OK, "%s", error.message);
    idjag_response_free(response);
    idjag_idp_free(idp);
}

int main(int count, char **arguments) {
    idjag_exchange_t *first = NULL, *second = NULL;
    idjag_error_t error = IDJAG_ERROR_INIT;
    idjag_config_t config = IDJAG_CONFIG_INIT;
    pid_t child;
    char *text;
    CHECK(count == 2, "alone FOLDER");
    snprintf(path, sizeof path, "%s/alone.toml", arguments[1]);
    write_config("");
    CHECK(make(&first, &error) == IDJAG_OK, "%s", error.message);
    CHECK(!another(), "two processes over one file");
    /* In one process they share the lock, and it ends with the last of them. */
    CHECK(make(&second, &error) == IDJAG_OK, "%s", error.message);
    idjag_exchange_free(first);
    CHECK(!another(), "the lock went with the first");
    /* A child has no part in it, and does not keep it. */
    child = idle();
    idjag_exchange_free(second);
    CHECK(another(), "the lock stays");
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);

    /* Said aloud it is allowed. The memory of before stays with a reload, and its lock with it. */
    write_config("[replay]\nallow_per_process = true");
    CHECK(make(&first, &error) == IDJAG_OK && another(), "%s", error.message);
    write_config("");
    config.file = path;
    config.file_length = strlen(path);
    CHECK(idjag_reload(first, &config, &error) == IDJAG_OK && !another(), "%s", error.message);
    write_config("[replay]\nallow_per_process = true");
    CHECK(idjag_reload(first, &config, &error) == IDJAG_OK, "%s", error.message);
    idjag_exchange_free(first);

    /* There is nothing to be told of a text. */
    write_config("");
    text = check_file(path);
    config.file = NULL;
    config.file_length = 0;
    config.text = text;
    config.text_length = strlen(text);
    CHECK(idjag_exchange_new(&config, NULL, &first, &error) == IDJAG_OK && another(), "%s", error.message);
    idjag_exchange_free(first);
    free(text);
    an_idp_is_not_inherited();
    puts("alone: one process over one file");
    return 0;
}
