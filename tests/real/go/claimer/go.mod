module layby/tests/real/claimer

go 1.25.0

tool github.com/deis/k8s-claimer/cli

require (
	github.com/codegangsta/cli v1.18.1 // indirect
	github.com/davecgh/go-spew v1.1.1 // indirect
	github.com/deis/k8s-claimer v0.1.0 // indirect
	github.com/docker/distribution v2.4.1+incompatible // indirect
	github.com/ghodss/yaml v1.0.0 // indirect
	github.com/gogo/protobuf v1.3.2 // indirect
	github.com/golang/glog v1.2.5 // indirect
	github.com/google/gofuzz v1.2.0 // indirect
	github.com/google/uuid v1.0.0 // indirect
	github.com/pborman/uuid v1.2.1 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	github.com/ugorji/go v0.0.0-20170107133203-ded73eae5db7 // indirect
	golang.org/x/net v0.47.0 // indirect
	golang.org/x/text v0.31.0 // indirect
	gopkg.in/inf.v0 v0.9.1 // indirect
	gopkg.in/yaml.v2 v2.4.0 // indirect
	k8s.io/client-go v1.4.0 // indirect
)
