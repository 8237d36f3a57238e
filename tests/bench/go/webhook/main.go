// webhook is the Go etcd-shield's own stack: controller-runtime's webhook server, with a handler that allows.
//
// The library decodes the review, logs, counts and answers, all with its defaults. The real handler also
// looks at its state first, which costs more, so this program is at least as fast as the real one.
package main

import (
	"context"
	"flag"
	"log"
	"net"
	"path/filepath"
	"strconv"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"
)

func allow(context.Context, admission.Request) admission.Response {
	return admission.Allowed("resource is allowed")
}

func main() {
	address := flag.String("address", "", "host:port")
	cert := flag.String("cert", "", "PEM certificate")
	key := flag.String("key", "", "PEM key, in the certificate's directory")
	flag.Parse()
	host, service, err := net.SplitHostPort(*address)
	if err != nil {
		log.Fatal(err)
	}
	port, err := strconv.Atoi(service)
	if err != nil {
		log.Fatal(err)
	}
	ctrl.SetLogger(zap.New())
	server := webhook.NewServer(webhook.Options{Host: host, Port: port,
		CertDir: filepath.Dir(*cert), CertName: filepath.Base(*cert), KeyName: filepath.Base(*key)})
	server.Register("/validate", &admission.Webhook{Handler: admission.HandlerFunc(allow)})
	if err := server.Start(ctrl.SetupSignalHandler()); err != nil {
		log.Fatal(err)
	}
}
