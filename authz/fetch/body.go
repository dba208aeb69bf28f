package fetch

import (
	"fmt"
	"io"
	"net/http"
)

// Body makes a request and returns the body of an answer of status 200, which is at most limit bytes long, and
// its header. No error quotes the answer.
func Body(client *http.Client, req *http.Request, limit int64) ([]byte, http.Header, error) {
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("get %s: status %d", req.URL, resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, nil, fmt.Errorf("get %s: %w", req.URL, err)
	}
	if int64(len(body)) > limit {
		return nil, nil, fmt.Errorf("get %s: answer is longer than %d bytes", req.URL, limit)
	}
	return body, resp.Header, nil
}
