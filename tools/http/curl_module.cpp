// The module that holds libcurl: see cli/http.h.
#include <curl/curl.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <string_view>

#include "cli/http.h"

namespace {

using sterna::cli::HttpAnswer;
using sterna::cli::HttpClient;
using sterna::cli::HttpRequest;

constexpr long kMostRedirections = 5, kConnectSeconds = 30, kIdleSeconds = 30;

/// Faults of the way, which the next try may not meet.
bool may_pass(CURLcode code) {
  constexpr std::array kPassing = {
      CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_CONNECT, CURLE_PARTIAL_FILE,
      CURLE_OPERATION_TIMEDOUT,   CURLE_GOT_NOTHING,     CURLE_SEND_ERROR,
      CURLE_RECV_ERROR,           CURLE_HTTP2,           CURLE_HTTP2_STREAM};
  return std::find(kPassing.begin(), kPassing.end(), code) != kPassing.end();
}

std::string trimmed(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
    text.remove_suffix(1);
  return std::string(text);
}

/// One transfer: what the callbacks write to.
struct Transfer {
  const HttpClient::Body& body;
  HttpAnswer answer = {};
  bool stopped = false;
};

size_t on_header(char* data, size_t size, size_t count, void* to) {
  HttpAnswer& answer = static_cast<Transfer*>(to)->answer;
  const std::string_view line(data, size * count);
  if (line.starts_with("HTTP/")) {  // another answer begins
    std::erase_if(answer.headers, [](const auto& h) { return !h.first.starts_with("x-linked-"); });
    const size_t at = line.find(' ');
    answer.status = at == std::string_view::npos ? 0 : std::atol(trimmed(line.substr(at)).c_str());
    return line.size();
  }
  const size_t colon = line.find(':');
  constexpr size_t kMostHeaders = 256;
  if (colon == std::string_view::npos || answer.headers.size() >= kMostHeaders) return line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  answer.headers.try_emplace(name, trimmed(line.substr(colon + 1)));
  return line.size();
}

size_t on_body(char* data, size_t size, size_t count, void* to) {
  auto* transfer = static_cast<Transfer*>(to);
  const long status = transfer->answer.status;
  if (status != 200 && status != 206) return size * count;  // what a fault's page says
  const auto piece = std::as_bytes(std::span(data, size * count));
  if (transfer->body(transfer->answer, piece)) return size * count;
  transfer->stopped = true;
  return 0;
}

int on_progress(void* request, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<const HttpRequest*>(request)->stop() ? 1 : 0;
}

class CurlClient : public HttpClient {
 public:
  CurlClient() : curl_(curl_easy_init()) {}
  CurlClient(const CurlClient&) = delete;
  CurlClient& operator=(const CurlClient&) = delete;
  ~CurlClient() override { curl_easy_cleanup(curl_); }

  HttpAnswer get(const HttpRequest& request, const Body& body) override {
    Transfer transfer{body};
    if (curl_ == nullptr) {
      transfer.answer.fault = "out of memory";
      return transfer.answer;
    }
    curl_easy_reset(curl_);  // options alone; connections stay
    char why[CURL_ERROR_SIZE] = "";
    const bool secure = request.url.starts_with("https:");
    curl_easy_setopt(curl_, CURLOPT_URL, request.url.c_str());
    curl_easy_setopt(curl_, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl_, CURLOPT_REDIR_PROTOCOLS_STR, secure ? "https" : "http,https");
    curl_easy_setopt(curl_, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(curl_, CURLOPT_MAXREDIRS, kMostRedirections);
    curl_easy_setopt(curl_, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
    curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl_, CURLOPT_LOW_SPEED_TIME, kIdleSeconds);
    curl_easy_setopt(curl_, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl_, CURLOPT_USERAGENT, "sterna");
    curl_easy_setopt(curl_, CURLOPT_ERRORBUFFER, why);
    curl_easy_setopt(curl_, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl_, CURLOPT_HEADERDATA, &transfer);
    curl_easy_setopt(curl_, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl_, CURLOPT_WRITEDATA, &transfer);
    if (request.stop) {
      curl_easy_setopt(curl_, CURLOPT_NOPROGRESS, 0L);
      curl_easy_setopt(curl_, CURLOPT_XFERINFOFUNCTION, on_progress);
      curl_easy_setopt(curl_, CURLOPT_XFERINFODATA, &request);
    }
    const std::string range = std::to_string(request.offset) + "-";
    if (request.offset > 0) curl_easy_setopt(curl_, CURLOPT_RANGE, range.c_str());
    if (!request.token.empty()) {  // libcurl keeps it from other hosts
      curl_easy_setopt(curl_, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      curl_easy_setopt(curl_, CURLOPT_XOAUTH2_BEARER, request.token.c_str());
    }
    const CURLcode code = curl_easy_perform(curl_);
    if (code != CURLE_OK && !transfer.stopped) {
      transfer.answer.fault = why[0] != 0 ? why : curl_easy_strerror(code);
      transfer.answer.again = may_pass(code);
    }
    return transfer.answer;
  }

 private:
  CURL* curl_;
};

std::unique_ptr<HttpClient> make() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(started);
  return std::make_unique<CurlClient>();
}

}  // namespace

extern "C" __attribute__((visibility("default"))) const sterna::cli::HttpModule sterna_http_module;
extern "C" const sterna::cli::HttpModule sterna_http_module = {sterna::cli::kHttpModuleVersion,
                                                               make};
