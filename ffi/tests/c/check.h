/* What the tests in C share: a check that says where it failed, files, steps, and an engine with a clock that is set. */
#ifndef CHECK_H
#define CHECK_H

#include <idjag.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(truth, ...)                                        \
    do {                                                         \
        if (!(truth)) {                                          \
            fprintf(stderr, "%s:%d: %s: ", __FILE__, __LINE__, #truth); \
            fprintf(stderr, __VA_ARGS__);                        \
            fprintf(stderr, "\n");                               \
            exit(1);                                             \
        }                                                        \
    } while (0)

/* What the engines' clock shows. Set it while nobody asks. */
extern int64_t check_now;

/* The content of a file, with a NUL behind it. Free it. */
char *check_file(const char *path);

/* What clients publish, by URL: a text, or null where nothing is. What is not in there cannot be asked. And what was asked. */
extern json_t *check_documents, *check_asked;

/* Callbacks that go by those, and by a clock that shows `now`. */
idjag_callbacks_t check_callbacks(int64_t now);

/* A new engine of the configuration at `path`, built at `now`. */
idjag_exchange_t *check_engine(const char *path, int64_t now);

/* A new identity provider, likewise. */
idjag_idp_t *check_idp(const char *path, int64_t now);

/* What the identity provider answers to the client `agent` with this ID token, or the refusal `slug`. The `access_token` of it, in
 * quotes, to be freed; NULL of a refusal. */
char *check_ask(const idjag_idp_t *idp, const char *id_token, const char *slug);

/* An identity provider for that client, with keys of its own: `issuer` is its identifier. And a fresh ID-JAG of it at `now`, for
 * the server https://auth.chat.example/, the client f53f191f9311af35 and the resource https://mcp.chat.example/. To be freed. */
idjag_idp_t *check_new_idp(const char *issuer, const idjag_callbacks_t *callbacks);
char *check_new_id_jag(const idjag_idp_t *idp, int64_t now);

/* The next line of the steps; NULL behind the last. `line` and `room` as for getline. */
json_t *check_step(FILE *steps, char **line, size_t *room);

/* The first exchange of the case `name`, a new reference. */
json_t *check_case(const char *path, const char *name);

/* A member that is a text; NULL and 0 where it is none. */
void check_text(json_t *step, const char *member, const char **text, size_t *length);

#endif
