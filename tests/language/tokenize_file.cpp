// Driver of tests/language/compare_tokenizers.py: tokenize_file TOKENIZER.json MAX_TOKENS
// In: records of a little-endian uint32 length and that many bytes. Out: per record a uint32 count
// and that many uint32 ids. With "time" as MAX_TOKENS: tokenizes stdin as one text and prints MB/s.
#include <sterna/language/tokenizer.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <exception>
#include <iterator>
#include <string>
#include <vector>

namespace {

std::string read_all() {
  std::string all;
  std::vector<char> block(1 << 20);
  for (size_t n; (n = std::fread(block.data(), 1, block.size(), stdin)) > 0;)
    all.append(block.data(), n);
  return all;
}

int run(const sterna::language::Tokenizer& tokenizer, const std::string& limit) {
  const std::string in = read_all();
  std::vector<uint32_t> ids;
  if (limit == "time") {
    double best = 1e9;
    for (int i = 0; i < 5; ++i) {
      const std::clock_t start = std::clock();
      tokenizer.encode(in, 0, ids);
      best = std::min(best, static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC);
    }
    std::printf("%zu bytes, %zu tokens, %.1f MB/s, %.1f M tokens/s\n", in.size(), ids.size(),
                static_cast<double>(in.size()) / best / 1e6,
                static_cast<double>(ids.size()) / best / 1e6);
    return 0;
  }
  const size_t max_tokens = std::strtoul(limit.c_str(), nullptr, 10);
  for (size_t at = 0; at + 4 <= in.size();) {
    const auto byte = [&](size_t i) { return uint32_t{static_cast<unsigned char>(in[at + i])}; };
    const uint32_t size = byte(0) | byte(1) << 8 | byte(2) << 16 | byte(3) << 24;
    at += 4;
    if (size > in.size() - at) return 1;
    tokenizer.encode(std::string_view(in).substr(at, size), max_tokens, ids);
    at += size;
    const auto count = static_cast<uint32_t>(ids.size());
    std::fwrite(&count, 4, 1, stdout);
    std::fwrite(ids.data(), 4, ids.size(), stdout);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  try {
    return run(sterna::language::Tokenizer::load(argv[1]), argv[2]);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "%s\n", e.what());
    return 1;
  }
}
