module example.com/shrinkmeister/clients/go/example

go 1.25.0

replace example.com/shrinkmeister/clients/go => ..

require (
	github.com/redis/go-redis/v9 v9.22.0
	example.com/shrinkmeister/clients/go v0.0.0-00010101000000-000000000000
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/tink-crypto/tink-go/v2 v2.9.0 // indirect
	go.uber.org/atomic v1.12.0 // indirect
	golang.org/x/sys v0.46.0 // indirect
)
