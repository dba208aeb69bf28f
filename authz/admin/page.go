package admin

import (
	"context"
	"iter"
	"net/url"
	"strconv"
)

// Sizes of a page. A page may have fewer items than requested and still not be the last.
const (
	DefaultPageSize = 50
	MaxPageSize     = 500
)

// Page is one page of a list.
type Page[T any] struct {
	Items []T `json:"items"`
	// NextPageToken leads to the next page; empty: this is the last one.
	NextPageToken string `json:"next_page_token,omitempty"`
}

// PageQuery selects a page of a list. The zero PageQuery is the first page with the default size.
type PageQuery struct {
	Size  int    // page_size: up to MaxPageSize; 0: DefaultPageSize
	Token string // page_token: NextPageToken of the last page; the other parameters must be unchanged
}

// addTo adds the parameters of a page to those of the list.
func (q PageQuery) addTo(list url.Values) url.Values {
	if q.Size != 0 {
		list.Set("page_size", strconv.Itoa(q.Size))
	}
	if q.Token != "" {
		list.Set("page_token", q.Token)
	}
	return list
}

// all goes through every page of a list. If there is an error, it is the last value.
func all[T any](list func(PageQuery) (*Page[T], error)) iter.Seq2[*T, error] {
	return func(yield func(*T, error) bool) {
		for query := (PageQuery{Size: MaxPageSize}); ; {
			page, err := list(query)
			if err != nil {
				yield(nil, err)
				return
			}
			for i := range page.Items {
				if !yield(&page.Items[i], nil) {
					return
				}
			}
			if query.Token = page.NextPageToken; query.Token == "" {
				return
			}
		}
	}
}

// list asks for a page.
func list[T any](ctx context.Context, c *Client, path string, params url.Values, q PageQuery) (*Page[T], error) {
	page := new(Page[T])
	return page, c.do(ctx, "GET", path, q.addTo(params), nil, nil, page)
}

// params returns the parameters that have a value.
func params(pairs ...string) url.Values {
	values := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			values.Set(pairs[i], pairs[i+1])
		}
	}
	return values
}
