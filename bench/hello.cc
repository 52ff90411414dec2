// The reference of bench/server: gRPC's own C++ server at its fastest simple form. One thread drives one completion
// queue; a call answers with a short constant text, as the "hello world" of gRPC's documentation does. No checks, no
// state, no log: what gRPC costs here without any decision.
//
//   bench_hello [PORT]     prints "listening 127.0.0.1:PORT"; SIGUSR1 prints "stats decisions_ok=N cpu_s=S" (the calls
//                          that were answered); SIGTERM ends it
//
// SPDX-License-Identifier: Apache-2.0
#include "hello.grpc.pb.h"
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <grpcpp/grpcpp.h>
#include <string>
#include <sys/resource.h>
#include <thread>

namespace
{

std::atomic<unsigned long long> answered{0};

// One call's life: waits to be asked, answers, is done. Each waits anew when it is asked, so there is always one.
class Call
{
  public:
    Call(hello::Greeter::AsyncService *service, grpc::ServerCompletionQueue *queue)
        : service_(service), queue_(queue), responder_(&context_)
    {
        service_->RequestSayHello(&context_, &request_, &responder_, queue_, queue_, this);
    }

    void proceed(bool ok)
    {
        if (ok && !asked_) {
            asked_ = true;
            new Call(service_, queue_);
            reply_.set_message("Hello world");
            responder_.Finish(reply_, grpc::Status::OK, this);
            return;
        }
        if (ok)
            answered.fetch_add(1, std::memory_order_relaxed);
        delete this;
    }

  private:
    hello::Greeter::AsyncService *service_;
    grpc::ServerCompletionQueue *queue_;
    grpc::ServerContext context_;
    grpc::ServerAsyncResponseWriter<hello::HelloReply> responder_;
    hello::HelloRequest request_;
    hello::HelloReply reply_;
    bool asked_ = false;
};

double seconds(const timeval &t)
{
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
}

void print_stats()
{
    rusage u{};
    getrusage(RUSAGE_SELF, &u);
    std::printf("stats decisions_ok=%llu cpu_s=%.2f\n", answered.load(),
                seconds(u.ru_utime) + seconds(u.ru_stime));
    std::fflush(stdout);
}

// Signals belong to this thread, so that the one that serves is never interrupted.
void wait_for_signals(sigset_t set)
{
    for (int number = 0; sigwait(&set, &number) == 0;) {
        if (number != SIGUSR1)
            std::_Exit(0);
        print_stats();
    }
}

} // namespace

int main(int argc, char **argv)
{
    sigset_t set;
    sigemptyset(&set);
    for (int number : {SIGUSR1, SIGTERM, SIGINT})
        sigaddset(&set, number);
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    std::thread(wait_for_signals, set).detach();

    int port = 0;
    hello::Greeter::AsyncService service;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(std::string("127.0.0.1:") + (argc > 1 ? argv[1] : "0"),
                             grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    std::unique_ptr<grpc::ServerCompletionQueue> queue = builder.AddCompletionQueue();
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    if (!server || port == 0) {
        std::fprintf(stderr, "bench_hello: cannot listen\n");
        return 1;
    }
    std::printf("listening 127.0.0.1:%d\n", port);
    std::fflush(stdout);

    new Call(&service, queue.get());
    void *tag = nullptr;
    for (bool ok = false; queue->Next(&tag, &ok);)
        static_cast<Call *>(tag)->proceed(ok);
    return 0;
}
