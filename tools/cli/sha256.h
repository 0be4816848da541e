#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace sterna::cli {

using Digest = std::array<uint8_t, 32>;

/// SHA-256 (FIPS 180-4) by nettle: small (its library loads in well under a millisecond, libcrypto
/// takes two), and it uses the CPU's SHA instructions.
Digest sha256(std::span<const std::byte> bytes);
Digest sha256(std::string_view text);
/// Of a whole file, read in pieces. Throws Error.
Digest sha256_file(const std::string& path);

/// 64 lower-case digits, and back; parse_digest() returns false for anything else.
std::string hex(const Digest& digest);
bool parse_digest(std::string_view text, Digest& out);

}  // namespace sterna::cli
