#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>

namespace sterna::cli {

struct HttpRequest {
  std::string url;         // http:// or https://
  std::string token = {};  // sent as a bearer token to the first host alone, never to redirections
  uint64_t offset = 0;     // bytes that are there already: asks for those behind them
  /// Asked about once a second, also while nothing arrives; true ends the transfer. Must not throw.
  std::function<bool()> stop = {};
};

struct HttpAnswer {
  long status = 0;  // 0: no answer
  /// Names in lower case; of the last redirection, and "x-linked-..." of the first that has them.
  std::map<std::string, std::string, std::less<>> headers;
  /// Why the transfer did not end as it should; empty where it did. `again`: it may, next time.
  std::string fault;
  bool again = false;
};

/// HTTP(S), by libcurl behind an interface: libcurl with its TLS would slow the start of every
/// command, so it lies in a module of its own, loaded when a client is made. Follows at most 5
/// redirections, never from https to http. Gives up on a connection that carries nothing for 30 s.
/// Keeps connections between calls. One thread's.
class HttpClient {
 public:
  virtual ~HttpClient() = default;
  /// Called with pieces of the body of an answer of 200 or 206; false ends the transfer. Must not
  /// throw.
  using Body = std::function<bool(const HttpAnswer& answer, std::span<const std::byte> piece)>;
  virtual HttpAnswer get(const HttpRequest& request, const Body& body) = 0;
};

/// What the module exports, under the name `sterna_http_module`.
struct HttpModule {
  uint32_t version;
  std::unique_ptr<HttpClient> (*make)();
};
inline constexpr uint32_t kHttpModuleVersion = 2;

/// Throws Error if the module can't be loaded.
std::unique_ptr<HttpClient> make_http_client();

}  // namespace sterna::cli
