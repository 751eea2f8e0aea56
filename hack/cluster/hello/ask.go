package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"time"
)

// ask prints the answer to one request.
func ask(ctx context.Context, method, url string, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	fmt.Fprintln(out, response.Status)
	_, err = io.Copy(out, response.Body)
	return err
}

// tally counts requests of all clients of a load.
type tally struct{ all, failed atomic.Int64 }

func (t *tally) String() string {
	return fmt.Sprintf("%d requests, %d failed", t.all.Load(), t.failed.Load())
}

// load asks until the context ends, over one connection that is kept and over new ones, and prints what failed and every
// second how many of how many did. Whatever is not 200 has failed.
func load(ctx context.Context, url string, out io.Writer) error {
	const pause = 100 * time.Millisecond
	var count tally
	for _, fresh := range []bool{false, true} {
		client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: fresh}}
		go func() {
			for tick := time.Tick(pause); ctx.Err() == nil; <-tick {
				if err := once(client, url); err != nil {
					count.failed.Add(1)
					fmt.Fprintf(out, "%s failed: %v\n", time.Now().UTC().Format(time.RFC3339Nano), err)
				}
				count.all.Add(1)
			}
		}()
	}
	for tick := time.Tick(time.Second); ; {
		select {
		case <-ctx.Done():
			fmt.Fprintln(out, &count)
			return nil
		case <-tick:
			fmt.Fprintln(out, &count)
		}
	}
}

// once is not ended with the program: the count is of requests that had their time.
func once(client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return fmt.Errorf("reading the body: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}
