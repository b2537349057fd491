/* C libfcgi as its manual shows it: threads that share the listening socket on fd 0, each with a request of its own.
 * The first argument is the number of threads; 1 is the classic single-threaded responder. The others name the files
 * with the document and the head that it answers. */

#include <fcgiapp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static char head[4096];
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
        FCGX_FPrintF(request.out, "%sContent-Length: %d\r\n\r\n", head, (int)document_length);
        FCGX_PutStr(document, (int)document_length, request.out);
        FCGX_Finish_r(&request);
    }
}

/* Reads a small file into a buffer. Answers its length. */
static size_t contents(const char *path, char *buffer, size_t size) {
    FILE *file = fopen(path, "r");
    size_t length;
    if (file == NULL) {
        perror(path);
        exit(2);
    }
    length = fread(buffer, 1, size, file);
    fclose(file);
    return length;
}

int main(int count, char **arguments) {
    int threads = count > 1 ? atoi(arguments[1]) : 1;
    if (count != 4 || threads < 1) {
        fprintf(stderr, "usage: responder THREADS DOCUMENT HEAD\n");
        return 2;
    }
    document_length = contents(arguments[2], document, sizeof document);
    contents(arguments[3], head, sizeof head - 1);
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
