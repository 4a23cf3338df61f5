package shrinkmeister_test

import (
	"context"
	"fmt"
	"log"

	shrinkmeister "example.com/shrinkmeister/clients/go"
)

func Example() {
	client, err := shrinkmeister.New(shrinkmeister.Config{
		SecretKey: "the secret that site and server share",
		ServerURL: "https://thumbs.example.com",
		// With github.com/redis/go-redis/v9: return rdb.MGet(ctx, keys...).Result()
		MGet: func(ctx context.Context, keys ...string) ([]any, error) {
			return make([]any, len(keys)), nil // nothing is recorded yet
		},
	})
	if err != nil {
		log.Fatal(err)
	}
	thumbnail, err := client.Thumbnail(context.Background(), shrinkmeister.Request{
		Source:   "s3://photos/2024/dawn.jpg",
		Geometry: "300x200",
		Options:  shrinkmeister.Options{"crop": "center"},
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(thumbnail.Width, thumbnail.Height, thumbnail.Lazy)
	fmt.Println(thumbnail.URL)
	fmt.Println(thumbnail.URLOf("2"))
	// Output:
	// 300 200 true
	// https://thumbs.example.com/ATZqyKViegRKf7d8sx9td3DZjMLR1Ds0VGZwAhHj4E9EtX4CYrMtHhOQh6BLXAnhHFOjnbZcT1WUXz4okU9_4XwLyjbnFrvziE07tw.jpg
	// https://thumbs.example.com/ATZqyKViegRKf7d8sx9td3DZjMLR1Ds0VGZwAhHj4E9EtX4CYrMtHhOQh6BLXAnhHFOjnbZcT1WUXz4okU9_4XwLyjbnFrvziE07tw@2x.jpg
}
