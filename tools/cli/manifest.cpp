#include "cli/manifest.h"

#include <sterna/quant/error.h>

#include <fstream>
#include <string>
#include <system_error>

#include "cli/names.h"

namespace fs = std::filesystem;

namespace sterna::cli {

void expect_replaceable(const fs::path& path) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (!fs::exists(status) || fs::is_regular_file(status)) return;
  throw Error(path.string() + ": would be replaced: expected a file, or none, found a " +
              (fs::is_directory(status) ? "folder" : "device"));
}

void expect_manifest(const fs::path& path) {
  expect_replaceable(path);
  std::ifstream in(path, std::ios::binary);
  std::string text;
  if (!std::getline(in, text)) return;  // none, or empty
  const Json line = Json::parse(text, nullptr, false);
  const bool about =
      line.is_object() &&
      (line.contains("input") || line.contains("input_bytes") || line.contains("frame"));
  if (about && (line.contains("row") || line.contains("error"))) return;
  throw Error(path.string() +
              ": would be replaced: expected a manifest of an earlier run, or no such file, found "
              "another");
}

}  // namespace sterna::cli
