#include "cli/session.h"

#include <sterna/quant/error.h>
#include <sterna/vision/decode.h>

#include <exception>
#include <filesystem>
#include <new>
#include <system_error>

#include "cli/file.h"
#include "cli/inputs.h"

namespace sterna::cli {

namespace {
const vision::DecodeLimits kLimits;
}

void read_picture(const std::string& name, Worker& worker) {
  std::error_code none;
  if (std::filesystem::is_directory(name, none)) {
    // Where folders are welcome, one with pictures was replaced by these (inputs.h).
    const bool empty = expand_inputs({&name, 1}) == std::vector{name};
    throw Error(name + (empty ? ": expected a picture or a folder of pictures, found a folder "
                                "without one"
                              : ": expected a picture, found a folder"));
  }
  read_file(name, kLimits.max_file_bytes, worker.bytes);
}

vision::Image decode_picture(const std::string& name, const Worker& worker, size_t reduced_side) {
  vision::DecodeLimits limits = kLimits;
  limits.reduced_side = reduced_side;
  return vision::decode(worker.bytes, limits, name == "-" ? "standard input" : name);
}

std::string current_fault(const std::string& name) {
  try {
    throw;
  } catch (const Error& e) {
    return e.what();
  } catch (const std::bad_alloc&) {
    return name + ": out of memory";
  } catch (const std::exception& e) {
    return name + ": " + e.what();
  }
}

}  // namespace sterna::cli
