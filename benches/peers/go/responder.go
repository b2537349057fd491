// Go's net/http/fcgi on the listening socket on fd 0.
package main

import (
	"log"
	"net/http"
	"net/http/fcgi"
	"os"
	"strconv"
	"strings"
)

func main() {
	document, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	head, err := os.ReadFile(os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	lines := [][2]string{}
	for _, line := range strings.Split(strings.TrimSpace(string(head)), "\r\n") {
		name, value, _ := strings.Cut(line, ": ")
		lines = append(lines, [2]string{name, value})
	}
	length := strconv.Itoa(len(document))
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for _, line := range lines {
			w.Header().Set(line[0], line[1])
		}
		w.Header().Set("Content-Length", length)
		w.Write(document)
	})
	log.Fatal(fcgi.Serve(nil, handler))
}
