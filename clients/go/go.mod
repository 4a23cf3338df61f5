module example.com/shrinkmeister/clients/go

go 1.25.0

require github.com/tink-crypto/tink-go/v2 v2.9.0
