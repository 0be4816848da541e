#include "cli/sha256.h"

#include <nettle/sha2.h>
#include <sterna/quant/error.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace sterna::cli {

static_assert(sizeof(Digest) == SHA256_DIGEST_SIZE);

namespace {

Digest finish(sha256_ctx& context) {
  Digest digest;
  sha256_digest(&context, digest.size(), digest.data());
  return digest;
}

}  // namespace

Digest sha256(std::span<const std::byte> bytes) {
  sha256_ctx context;
  sha256_init(&context);
  sha256_update(&context, bytes.size(), reinterpret_cast<const uint8_t*>(bytes.data()));
  return finish(context);
}

Digest sha256(std::string_view text) {
  return sha256(std::as_bytes(std::span(text.data(), text.size())));
}

Digest sha256_file(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             std::fclose);
  if (!file) throw Error(path + ": can't be opened: " + std::strerror(errno));
  sha256_ctx context;
  sha256_init(&context);
  std::vector<uint8_t> piece(size_t{1} << 18);
  for (size_t n = 0; (n = std::fread(piece.data(), 1, piece.size(), file.get())) > 0;) {
    sha256_update(&context, n, piece.data());
  }
  if (std::ferror(file.get()) != 0) {
    throw Error(path + ": can't be read: " + std::strerror(errno));
  }
  return finish(context);
}

std::string hex(const Digest& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

bool parse_digest(std::string_view text, Digest& out) {
  if (text.size() != 2 * out.size()) return false;
  const auto value = [](char c) {
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
  };
  for (size_t i = 0; i < out.size(); ++i) {
    const int high = value(text[2 * i]), low = value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    out[i] = static_cast<uint8_t>(high * 16 + low);
  }
  return true;
}

}  // namespace sterna::cli
