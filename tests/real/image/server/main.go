// The program in the images that real pods run. Its name decides what it plays: `true` succeeds at once, `pause` waits,
// and any other name is a web server that flags can make fail.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/coder/websocket"
)

// The longest message that is echoed.
const messageMax = 1 << 20

func main() {
	switch filepath.Base(os.Args[0]) {
	case "true":
	case "pause":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
		<-stop
	default:
		serve()
	}
}

func serve() {
	port := flag.Int("port", 8888, "the port that it listens on, at every address")
	says := flag.String("log", "", "a line for the log, written before it listens")
	lines := flag.Int("log-lines", 0, "how many numbered lines it writes before it listens")
	writes := flag.String("write", "", "a file that it must be able to write; otherwise it exits with 1")
	listens := flag.Duration("listen-after", 0, "how long it waits before it listens; below 0 it never does")
	mebibytes := flag.Int("memory", 0, "how many MiB it holds, filled one by one from its start")
	lives := flag.Duration("exit-after", 0, "how long it lives; 0 is until it is stopped")
	code := flag.Int("exit-code", 1, "what it exits with then")
	// What start-notebook.sh is called with by default.
	flag.String("ip", "", "not used")
	flag.String("NotebookApp.base_url", "", "not used")
	flag.Bool("debug", false, "not used")
	flag.Parse()

	log.SetFlags(0)
	if *says != "" {
		log.Print(*says)
	}
	for line := range *lines {
		log.Printf("line %d", line+1)
	}
	if *writes != "" {
		if err := os.WriteFile(*writes, nil, 0o600); err != nil {
			log.Fatal(err)
		}
	}
	if *lives != 0 {
		time.AfterFunc(*lives, func() {
			log.Printf("exits with %d, as it was told to", *code)
			os.Exit(*code)
		})
	}
	go leave()
	go hold(*mebibytes)
	if *listens < 0 {
		select {}
	}
	time.Sleep(*listens)
	log.Printf("listens on port %d", *port)
	log.Fatal(http.ListenAndServe(fmt.Sprintf(":%d", *port), http.HandlerFunc(answer)))
}

// Ends when it is told to. The first process of a container gets no signal that it does not ask for.
func leave() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	<-stop
	log.Print("is stopped")
	os.Exit(0)
}

// Holds so much memory, one MiB after the other.
func hold(mebibytes int) {
	held := make([][]byte, 0, mebibytes)
	for range mebibytes {
		block := make([]byte, 1<<20)
		for at := range block {
			block[at] = 1
		}
		held = append(held, block)
		time.Sleep(time.Millisecond)
	}
	if mebibytes > 0 {
		log.Printf("holds %d MiB", len(held))
	}
	select {}
}

// Answers every path: a websocket with an echo, anything else with what the container is.
func answer(out http.ResponseWriter, in *http.Request) {
	if strings.EqualFold(in.Header.Get("Upgrade"), "websocket") {
		echo(out, in)
		return
	}
	host, _ := os.Hostname()
	out.Header().Set("Content-Type", "application/json")
	json.NewEncoder(out).Encode(map[string]any{
		"path":        in.URL.Path,
		"host":        in.Host,
		"pod":         host,
		"user":        os.Getuid(),
		"arguments":   os.Args,
		"environment": os.Environ(),
		"rights":      rights(),
		"secrets":     filesBelow("/var/run/secrets"),
	})
}

// What the kernel says that this process may do.
func rights() map[string]string {
	said := map[string]string{}
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		switch name {
		case "CapBnd", "CapEff", "NoNewPrivs", "Seccomp":
			said[name] = strings.TrimSpace(value)
		}
	}
	return said
}

func filesBelow(folder string) []string {
	files := []string{}
	filepath.WalkDir(folder, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			files = append(files, path)
		}
		return nil
	})
	return files
}

func echo(out http.ResponseWriter, in *http.Request) {
	socket, err := websocket.Accept(out, in, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	defer socket.CloseNow()
	socket.SetReadLimit(messageMax)
	for {
		kind, message, err := socket.Read(context.Background())
		if err != nil {
			return
		}
		if socket.Write(context.Background(), kind, message) != nil {
			return
		}
	}
}
