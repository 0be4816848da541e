# Shared by tools/quickstart and tools/check: steps, packages, builds. Sourced by bash.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
build=$root/build
# The compiler takes up to about 1 GB a job.
jobs=$(nproc)
memory_gb=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
((memory_gb >= 1 && memory_gb < jobs)) && jobs=$memory_gb

say() { printf '\n== %s\n' "$*"; }
die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

# missing_packages WHEN...: the packages of those sections of tools/packages.txt that are not installed.
missing_packages() {
  local when
  for when in "$@"; do
    awk -v when="$when" '$1 == when {print $2}' tools/packages.txt
  done | while read -r package; do
    dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed || echo "$package"
  done
}

# install_packages WHEN...: installs what is missing of these sections, as root or through sudo.
install_packages() {
  command -v dpkg-query >/dev/null || {
    echo "This is no Debian: install the equivalents of tools/packages.txt yourself; going on."
    return 0
  }
  local packages as_root=()
  mapfile -t packages < <(missing_packages "$@")
  if ((${#packages[@]} == 0)); then
    echo "every package is installed"
    return 0
  fi
  echo "to install: ${packages[*]}"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null ||
      die "needs root or sudo for: apt-get install --no-install-recommends ${packages[*]}"
    as_root=(sudo)
  fi
  # An earlier run may have been stopped between unpacking and configuring.
  "${as_root[@]}" dpkg --configure -a
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends -o Dpkg::Use-Pty=0 "${packages[@]}" >/dev/null
}

# configure_and_build NAME OPTION...: a CMake build in build/NAME. The options count on the first
# configuration and whenever they change; ninja goes on where an interrupted build stopped.
configure_and_build() {
  local folder=$build/$1 launcher=() wanted
  shift
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  wanted=$(printf '%s\n' "$@" "${launcher[@]}")
  if [ ! -e "$folder/build.ninja" ] || [ "$wanted" != "$(cat "$folder/options" 2>/dev/null)" ]; then
    mkdir -p "$folder"
    cmake -S . -B "$folder" -G Ninja "$@" "${launcher[@]}" >"$folder/configure.log" 2>&1 || {
      tail -n 40 "$folder/configure.log" >&2
      die "CMake failed; the whole log is $folder/configure.log"
    }
    printf '%s' "$wanted" >"$folder/options"
  fi
  ninja -C "$folder" -j "$jobs" --quiet || die "the build in $folder failed"
}
