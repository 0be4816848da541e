#include "codec.h"
namespace sterna::vision {
Image decode_module(Bytes, Format format, const DecodeLimits&) {
  throw Fault("expected another format, found " + std::string(name(format)));
}
}  // namespace sterna::vision
