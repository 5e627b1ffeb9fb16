// SPDX-License-Identifier: LGPL-2.1-or-later
#include "client/exporter/server.h"

#include <microhttpd.h>

#include <cerrno>
#include <chrono>
#include <exception>
#include <string_view>

namespace tuneshift {

namespace {

constexpr unsigned most_connections = 64;
constexpr unsigned most_of_one_address = 32;
constexpr unsigned timeout_s = 10;
constexpr size_t most_header_bytes = 16 << 10;
constexpr int64_t page_kept_us = 1'000'000;
constexpr const char* text_type = "text/plain; charset=utf-8";
// https://prometheus.io/docs/instrumenting/exposition_formats/
constexpr const char* metrics_type = "text/plain; version=0.0.4; charset=utf-8";

int64_t now_us() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

MHD_Result answer(MHD_Connection* connection, unsigned status, const char* type,
                  std::string_view body) {
  auto* response = MHD_create_response_from_buffer(
      body.size(), const_cast<char*>(body.data()),  // NOLINT: copied
      MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return MHD_NO;
  MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
  if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
    MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
  const MHD_Result queued = MHD_queue_response(connection, status, response);
  MHD_destroy_response(response);
  return queued;
}

MHD_Result on_request(void* server, MHD_Connection* connection, const char* url, const char* method,
                      const char* /*version*/, const char* /*upload_data*/,
                      size_t* upload_data_size, void** /*request*/) {
  const std::string_view wanted = method;
  if (wanted != MHD_HTTP_METHOD_GET && wanted != MHD_HTTP_METHOD_HEAD) {
    *upload_data_size = 0;
    return answer(connection, MHD_HTTP_METHOD_NOT_ALLOWED, text_type, "only GET and HEAD\n");
  }
  if (std::string_view(url) != "/metrics")
    return answer(connection, MHD_HTTP_NOT_FOUND, text_type, "the metrics are at /metrics\n");
  try {
    return answer(connection, MHD_HTTP_OK, metrics_type,
                  static_cast<MetricsServer*>(server)->page());
  } catch (const std::exception& error) {  // not through the library, which is C
    return answer(connection, MHD_HTTP_INTERNAL_SERVER_ERROR, text_type, error.what());
  }
}

}  // namespace

Result<std::unique_ptr<MetricsServer>> MetricsServer::start(int listening,
                                                            std::function<std::string()> metrics) {
  auto server = std::unique_ptr<MetricsServer>(new MetricsServer(std::move(metrics)));
  server->server_ = MHD_start_daemon(
      MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC, 0, nullptr, nullptr, on_request,
      server.get(), MHD_OPTION_LISTEN_SOCKET, listening, MHD_OPTION_CONNECTION_LIMIT,
      most_connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, most_of_one_address,
      MHD_OPTION_CONNECTION_TIMEOUT, timeout_s, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
      most_header_bytes, MHD_OPTION_END);
  if (server->server_ == nullptr)
    return Error{ErrorCode::io, "cannot answer on the socket", {}, errno};
  return server;
}

MetricsServer::~MetricsServer() {
  if (server_ != nullptr) MHD_stop_daemon(server_);
}

std::string MetricsServer::page() {
  if (page_.empty() || now_us() >= made_us_ + page_kept_us) {
    page_ = metrics_();
    made_us_ = now_us();
  }
  return page_;
}

}  // namespace tuneshift
