// Go's net/http/fcgi on the listening socket on fd 0.
package main

import (
	"log"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
)

func main() {
	document, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	length := strconv.Itoa(len(document))
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", length)
		w.Write(document)
	})
	log.Fatal(fcgi.Serve(nil, handler))
}
