// Packs images into one archive that `ctr images import` reads.
package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
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

// Each image with the names of our program in it. Its first one is what it runs when nothing else is said.
var images = map[string][]string{
	"docker.io/local/pause:1":       {"/pause"},
	"docker.io/layby/application:1": {"/bin/server", "/bin/true", "/home/main/start-notebook.sh"},
	"docker.io/layby/bare:1":        {"/bin/server"},
}

// The image that infra/cluster names, which is made of the files below this folder.
const proxy, proxyFiles = "quay.io/jupyterhub/configurable-http-proxy:5.3.0", "proxy"

func main() {
	program := must(os.ReadFile("program"))
	packed := map[name.Tag]v1.Image{}
	for image, files := range images {
		packed[must(name.NewTag(image))] = made(ours(program, files), files[0])
	}
	packed[must(name.NewTag(proxy))] = made(below(proxyFiles), "/usr/local/bin/configurable-http-proxy")
	check(tarball.MultiWriteToFile("images.tar", packed))
}

// An image of one layer.
func made(layer []byte, entrypoint string) v1.Image {
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(layer)), nil }
	image := must(mutate.ConfigFile(empty.Image, &v1.ConfigFile{
		OS:           "linux",
		Architecture: runtime.GOARCH,
		Config:       v1.Config{Entrypoint: []string{entrypoint}, Env: []string{"PATH=/usr/local/bin:/usr/bin:/bin"}},
	}))
	return must(mutate.AppendLayers(image, must(tarball.LayerFromOpener(opener, tarball.WithCompressionLevel(gzip.BestSpeed)))))
}

// A layer with the files below a folder.
func below(folder string) []byte {
	var written bytes.Buffer
	to := tar.NewWriter(&written)
	check(to.AddFS(os.DirFS(folder)))
	check(to.Close())
	return written.Bytes()
}

// A layer with the program under its first name, and links to it under the others.
func ours(program []byte, files []string) []byte {
	var written bytes.Buffer
	to := tar.NewWriter(&written)
	folders := map[string]bool{"/": true}
	for at, file := range files {
		for _, folder := range above(file) {
			if !folders[folder] {
				folders[folder] = true
				check(to.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: folder[1:] + "/", Mode: 0o755}))
			}
		}
		if at == 0 {
			check(to.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: file[1:], Mode: 0o755, Size: int64(len(program))}))
			must(to.Write(program))
		} else {
			check(to.WriteHeader(&tar.Header{Typeflag: tar.TypeLink, Name: file[1:], Linkname: files[0][1:], Mode: 0o755}))
		}
	}
	check(to.Close())
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
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
