// The fleet's service in Go, with telemetry.go of the documentation: it warns, and it fails.
package main

import (
	"context"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"

	"go.opentelemetry.io/contrib/bridges/otelslog"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	end, err := startTelemetry(ctx)
	if err != nil {
		log.Fatal(err)
	}
	logger := otelslog.NewLogger("billing")
	bill := func(response http.ResponseWriter, request *http.Request) {
		logger.WarnContext(request.Context(), "the bill is high")
		failure := errors.New("no money left")
		span := trace.SpanFromContext(request.Context())
		span.RecordError(failure)
		span.SetStatus(codes.Error, failure.Error())
		response.WriteHeader(http.StatusInternalServerError)
	}
	server := &http.Server{
		Addr:    "127.0.0.1:" + os.Getenv("PORT"),
		Handler: otelhttp.NewHandler(http.HandlerFunc(bill), "GET /bill"),
	}
	go server.ListenAndServe()
	<-ctx.Done()
	server.Shutdown(context.Background())
	if err := end(context.Background()); err != nil {
		log.Fatal(err)
	}
}
