// Packs the program `server` into images, in one archive that `ctr images import` reads.
package main

import (
	"archive/tar"
	"bytes"
	"io"
	"log"
	"os"
	"path"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Each image, with the names of the program in it. Its first one is what it runs when nothing else is said.
var images = map[string][]string{
	"docker.io/local/pause:1":       {"/pause"},
	"docker.io/layby/application:1": {"/bin/server", "/bin/true", "/home/main/start-notebook.sh"},
	"docker.io/layby/bare:1":        {"/bin/server"},
}

func main() {
	program := must(os.ReadFile("program"))
	packed := map[name.Tag]v1.Image{}
	for image, files := range images {
		layer := must(tarball.LayerFromOpener(func() (io.ReadCloser, error) {
			return io.NopCloser(bytes.NewReader(archive(program, files))), nil
		}))
		made := must(mutate.ConfigFile(empty.Image, &v1.ConfigFile{
			OS:           "linux",
			Architecture: runtime.GOARCH,
			Config:       v1.Config{Entrypoint: files[:1], Env: []string{"PATH=/bin"}},
		}))
		made = must(mutate.AppendLayers(made, layer))
		packed[must(name.NewTag(image))] = made
	}
	if err := tarball.MultiWriteToFile("images.tar", packed); err != nil {
		log.Fatal(err)
	}
}

// A layer with the program under its first name, and links to it under the others.
func archive(program []byte, files []string) []byte {
	var written bytes.Buffer
	to := tar.NewWriter(&written)
	put := func(header tar.Header) {
		if err := to.WriteHeader(&header); err != nil {
			log.Fatal(err)
		}
	}
	folders := map[string]bool{"/": true}
	for at, file := range files {
		for _, folder := range above(file) {
			if !folders[folder] {
				folders[folder] = true
				put(tar.Header{Typeflag: tar.TypeDir, Name: folder[1:] + "/", Mode: 0o755})
			}
		}
		if at == 0 {
			put(tar.Header{Typeflag: tar.TypeReg, Name: file[1:], Mode: 0o755, Size: int64(len(program))})
			must(to.Write(program))
		} else {
			put(tar.Header{Typeflag: tar.TypeLink, Name: file[1:], Linkname: files[0][1:], Mode: 0o755})
		}
	}
	if err := to.Close(); err != nil {
		log.Fatal(err)
	}
	return written.Bytes()
}

// The folders that a file is in, from the top.
func above(file string) []string {
	folder := path.Dir(file)
	if folder == "/" {
		return nil
	}
	return append(above(folder), folder)
}

func must[T any](value T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return value
}
