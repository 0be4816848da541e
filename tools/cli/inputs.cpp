#include "cli/inputs.h"

#include <glob.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <set>
#include <string_view>
#include <utility>

#include "cli/file.h"

namespace fs = std::filesystem;

namespace sterna::cli {

namespace {

constexpr uint64_t kLongestList = uint64_t{1} << 32;

/// Gathers the pictures of a folder and those below it. Links to folders are followed, but not to
/// one that holds the first folder, and no folder is walked twice: those that lie there come first,
/// then links in order of their names, so that the order of a directory does not decide what is
/// found.
class Walk {
 public:
  explicit Walk(std::vector<std::string>& out) : out_(out) {}

  void folder(const fs::path& from) {
    std::error_code error;
    for (fs::path above = fs::canonical(from, error); above.has_relative_path();)
      seen_.insert(above = above.parent_path());
    links_ = {from};
    while (!links_.empty()) {
      for (const fs::path& link : std::exchange(links_, {}))
        if (first_time(link)) below(link);
    }
  }

 private:
  bool first_time(const fs::path& folder) {
    std::error_code error;
    return seen_.insert(fs::canonical(folder, error)).second;
  }

  void below(const fs::path& folder) {
    std::error_code error, ignored;
    fs::recursive_directory_iterator at(folder, error), end;
    for (; !error && at != end; at.increment(error)) {
      const fs::path& path = at->path();
      const bool hidden = path.filename().native().starts_with('.');
      if (!at->is_directory(ignored)) {
        // A link that leads nowhere is an input that fails.
        const bool gone = at->is_symlink(ignored) && !at->exists(ignored);
        const bool file = gone || at->is_regular_file(ignored);
        if (!hidden && file && looks_like_picture(path.native())) out_.push_back(path.native());
      } else if (!hidden && at->is_symlink(ignored)) {
        links_.insert(path);
      } else if (hidden || !first_time(path)) {
        at.disable_recursion_pending();
      } else if (fs::directory_iterator(path, ignored); ignored) {
        // A folder that can't be entered is an input that fails, not the end of the walk.
        out_.push_back(path.native());
        at.disable_recursion_pending();
      }
    }
  }

  std::vector<std::string>& out_;
  std::set<fs::path> seen_, links_;
};

void add_folder(const std::string& folder, std::vector<std::string>& out) {
  const size_t before = out.size();
  Walk(out).folder(folder);
  std::sort(out.begin() + static_cast<std::ptrdiff_t>(before), out.end());
  if (out.size() == before) out.push_back(folder);
}

bool add_pattern(const std::string& pattern, std::vector<std::string>& out) {
  if (pattern.find_first_of("*?[") == std::string::npos) return false;
  glob_t found = {};
  const bool any = glob(pattern.c_str(), 0, nullptr, &found) == 0;
  for (size_t i = 0; any && i < found.gl_pathc; ++i) {
    const std::string name = found.gl_pathv[i];
    std::error_code error;
    if (fs::is_directory(name, error)) {
      add_folder(name, out);
    } else {
      out.push_back(name);
    }
  }
  globfree(&found);
  return any;
}

void add(const std::string& name, std::vector<std::string>& out) {
  std::error_code error;
  if (fs::is_directory(name, error)) {
    add_folder(name, out);
  } else if (fs::exists(name, error) || !add_pattern(name, out)) {
    out.push_back(name);
  }
}

}  // namespace

std::vector<std::string> read_lines(const std::string& file, char separator) {
  std::vector<std::byte> bytes;
  read_file(file, kLongestList, bytes);
  std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (constexpr std::string_view kMark = "\xEF\xBB\xBF"; text.starts_with(kMark))
    text.remove_prefix(kMark.size());
  std::vector<std::string> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(separator, begin), text.size());
    std::string_view line = text.substr(begin, end - begin);
    if (separator == '\n' && line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    begin = end + 1;
  }
  return lines;
}

std::vector<std::string> expand_inputs(std::span<const std::string> names, char separator) {
  std::vector<std::string> out;
  for (const std::string& name : names) {
    const bool list = name.size() > 1 && name[0] == '@';
    if (!list && name != "-") {
      add(name, out);
      continue;
    }
    for (const std::string& line : read_lines(list ? name.substr(1) : name, separator)) {
      if (!line.empty()) add(line == "-" ? "./-" : line, out);  // a file, not standard input
    }
  }
  return out;
}

bool has_picture_extension(const std::string& path) {
  constexpr std::array<std::string_view, 20> kExtensions = {
      ".jpg",  ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif",
      ".tiff", ".jp2",  ".j2k", ".jpf",  ".jpx", ".pbm",  ".pgm", ".ppm", ".pnm", ".apng"};
  std::string extension = fs::path(path).extension().native();
  for (char& c : extension) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

bool looks_like_picture(const std::string& path) {
  if (has_picture_extension(path)) return true;
  if (fs::path(path).has_extension()) return false;
  std::error_code error;  // what is read of a pipe is gone
  if (!fs::is_regular_file(path, error)) return false;
  std::array<char, 12> head = {};
  std::ifstream(path, std::ios::binary).read(head.data(), head.size());
  const std::string_view first(head.data(), head.size());
  using namespace std::string_view_literals;
  for (const std::string_view magic :
       {"\xFF\xD8\xFF"sv, "\x89PNG\r\n"sv, "GIF8"sv, "II*\0"sv, "MM\0*"sv}) {
    if (first.starts_with(magic)) return true;
  }
  return first.starts_with("RIFF") && first.substr(8) == "WEBP";
}

}  // namespace sterna::cli
