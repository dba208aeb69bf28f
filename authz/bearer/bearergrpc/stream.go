package bearergrpc

import (
	"context"
	"time"

	"google.golang.org/grpc"
)

// grace is how long the handler of a stream whose token has ended may take to return.
const grace = time.Second

// Stream is a grpc.StreamServerInterceptor. When the token ends, so does the context of the stream, and a second later
// the stream: a call that lives for hours must not outlive a logout.
func (i *Interceptor) Stream(server any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	ctx, caller, err := i.admit(stream.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if caller == nil {
		return handler(server, stream)
	}
	watched, stop := i.verifier.Watch(ctx, caller)
	defer stop()

	done := make(chan outcome, 1)
	go func() {
		var o outcome
		defer func() {
			o.panicked = recover()
			done <- o
		}()
		o.err = handler(server, &watchedStream{stream, watched})
	}()
	select {
	case o := <-done:
		return o.get()
	case <-watched.Done():
	}
	select {
	case o := <-done:
		if o.panicked != nil {
			panic(o.panicked)
		}
	case <-time.After(grace): // the handler waits for the client, which need not say anything: the return frees it
	}
	if stream.Context().Err() != nil {
		return stream.Context().Err() // the client has gone, and gets no answer
	}
	return refusal(context.Cause(watched))
}

// outcome is how a handler has ended.
type outcome struct {
	err      error
	panicked any
}

// get panics on the goroutine of the call, where other interceptors can recover.
func (o outcome) get() error {
	if o.panicked != nil {
		panic(o.panicked)
	}
	return o.err
}

// watchedStream is a stream with the context of its token.
type watchedStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *watchedStream) Context() context.Context { return s.ctx }

func (s *watchedStream) RecvMsg(m any) error {
	if err := s.ended(); err != nil {
		return err
	}
	return s.ServerStream.RecvMsg(m)
}

func (s *watchedStream) SendMsg(m any) error {
	if err := s.ended(); err != nil {
		return err
	}
	return s.ServerStream.SendMsg(m)
}

func (s *watchedStream) ended() error {
	if s.ctx.Err() == nil || s.ServerStream.Context().Err() != nil {
		return nil // the stream itself knows what to say
	}
	return refusal(context.Cause(s.ctx))
}
