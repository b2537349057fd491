/* C libfcgi as its manual shows it: threads that share the listening socket on fd 0, each with a request of its own.
 * The first argument is the number of threads; 1 is the classic single-threaded responder. */

#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char document[4096];
static size_t document_length;

static void *serve(void *unused) {
    FCGX_Request request;
    (void)unused;
    if (FCGX_InitRequest(&request, 0, 0) != 0) {
        exit(1);
    }
    for (;;) {
        /* No lock here, other than in libfcgi's own example: on a kept connection this call waits for the next
         * request, and would hold the lock meanwhile. */
        if (FCGX_Accept_r(&request) < 0) {
            return NULL;
        }
        FCGX_FPrintF(request.out, "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n", (int)document_length);
        FCGX_PutStr(document, (int)document_length, request.out);
        FCGX_Finish_r(&request);
    }
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    FILE *file = count > 2 ? fopen(arguments[2], "r") : NULL;
    if (file == NULL || threads < 1) {
        fprintf(stderr, "usage: responder THREADS DOCUMENT\n");
        return 2;
    }
    document_length = fread(document, 1, sizeof document, file);
    fclose(file);
    if (FCGX_Init() != 0) {
        return 1;
    }
    for (int started = 1; started < threads; started++) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, serve, NULL) != 0) {
            return 1;
        }
    }
    serve(NULL);
    return 0;
}
