package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// between is the pause between two requests: often enough to meet every moment of a rollout.
const between = 5 * time.Millisecond

// load asks until the duration has passed, and fails where there was an answer other than 200 or none.
func load(ctx context.Context, url string, duration time.Duration, out io.Writer) error {
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	asked, failed := 0, 0
	for end := time.Now().Add(duration); time.Now().Before(end) && ctx.Err() == nil; time.Sleep(between) {
		asked++
		if err := ask(ctx, client, url); err != nil {
			failed++
			fmt.Fprintf(out, "%s %v\n", time.Now().UTC().Format("15:04:05.000"), err)
		}
	}
	fmt.Fprintf(out, "%d requests, %d failed\n", asked, failed)
	if failed > 0 {
		return fmt.Errorf("%d of %d requests failed", failed, asked)
	}
	return nil
}

func ask(ctx context.Context, client *http.Client, url string) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", response.Status)
	}
	return nil
}
