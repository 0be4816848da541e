#include "module.h"

#include <dlfcn.h>

#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "codec.h"

namespace sterna::vision {

#ifdef STERNA_HAVE_OPENCV
namespace {

namespace fs = std::filesystem;
constexpr const char* kName = "libsterna-opencv.so";

/// Beside the program or the shared library this code is in, in the lib folders next to it, and
/// where CMake would install it. Never the working directory, never by the loader's search path.
std::vector<fs::path> places() {
  std::vector<fs::path> homes;
  std::error_code ignored;
  Dl_info self{};
  if (dladdr(reinterpret_cast<void*>(&opencv_module), &self) != 0 && self.dli_fname != nullptr &&
      self.dli_fname[0] == '/') {
    homes.push_back(fs::canonical(self.dli_fname, ignored).parent_path());
  }
  homes.push_back(fs::canonical("/proc/self/exe", ignored).parent_path());
  std::vector<fs::path> found;
  for (const fs::path& home : homes) {
    if (home.empty()) continue;
    found.push_back(home / kName);
    found.push_back(home / "sterna" / kName);
    found.push_back(home.parent_path() / "lib" / kName);
    found.push_back(home.parent_path() / STERNA_LIBDIR "/sterna" / kName);
  }
  found.push_back(fs::path(STERNA_MODULE_DIR) / kName);
  return found;
}

struct Loaded {
  const SternaModule* module = nullptr;
  std::string error;
};

Loaded load() {
  std::error_code ignored;
  std::string searched;
  for (const fs::path& path : places()) {
    if (!fs::is_regular_file(path, ignored)) {
      searched += (searched.empty() ? "" : ", ") + path.parent_path().string();
      continue;
    }
    // Never unloaded: OpenCV's threads and destructors do not expect it.
    void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == nullptr) {
      const char* why = dlerror();
      return {nullptr, std::string("the OpenCV module does not load: ") +
                           (why != nullptr ? why : path.c_str())};
    }
    auto* entry =
        reinterpret_cast<const SternaModule* (*)()>(dlsym(handle, "sterna_opencv_module"));
    const SternaModule* module = entry != nullptr ? entry() : nullptr;
    if (module == nullptr || module->version != kSternaModuleVersion) {
      return {nullptr, "the OpenCV module " + path.string() + " is of another version"};
    }
    return {module, {}};
  }
  return {nullptr,
          std::string("needs the OpenCV module, expected ") + kName + " in one of " + searched};
}

}  // namespace

const SternaModule& opencv_module() {
  static const Loaded loaded = load();
  if (loaded.module == nullptr) throw Fault(loaded.error);
  return *loaded.module;
}

Image decode_module(Bytes bytes, Format format, const DecodeLimits& limits) {
  struct Context {
    const DecodeLimits* limits;
    Image image;
    std::exception_ptr refused;
  } context{&limits, {}, {}};
  const auto allocate_image = [](void* c, uint64_t width, uint64_t height) -> uint8_t* {
    auto* into = static_cast<Context*>(c);
    try {
      into->image = allocate(width, height, *into->limits);
      return into->image.rgb.data();
    } catch (...) {
      into->refused = std::current_exception();
      return nullptr;
    }
  };
  const SternaPictureSink sink{&context, allocate_image, limits.max_pixels};
  char message[kSternaModuleMessage] = "";
  const int done =
      opencv_module().decode(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size(),
                             format == Format::tiff ? kSternaTiff : kSternaOther, &sink, message);
  if (context.refused) std::rethrow_exception(context.refused);
  if (done == 0) throw Fault(message);
  return std::move(context.image);
}
#else
const SternaModule& opencv_module() {
  throw Fault("needs OpenCV, which this build (STERNA_OPENCV=OFF) lacks");
}
#endif

}  // namespace sterna::vision
