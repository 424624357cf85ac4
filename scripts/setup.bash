# What quickstart, test and install-deps share: finding out what the machine lacks, and installing it where it may.
# Sourced, never run. Works on Debian 12+ and Ubuntu 22.04+; elsewhere it says what is missing.

RUST_AT_LEAST=1.95.0

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $1"; shift; for line in "$@"; do say "  $line"; done; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# The servers' programs are not always on the path of whoever tests.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
have cargo || { [ ! -x "$HOME/.cargo/bin/cargo" ] || PATH="$HOME/.cargo/bin:$PATH"; }
export PATH

# is_there PROGRAM: on the path or, for PostgreSQL, where Debian keeps its versions.
is_there() {
    case $1 in
        certificates) [ -n "${SSL_CERT_FILE:-}" ] || compgen -G '/etc/ssl/certs/*.crt' >/dev/null || [ -e /etc/pki/tls/certs ] ;;
        initdb) have initdb || compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null ;;
        venv) python3 -c 'import venv, ensurepip' >/dev/null 2>&1 ;;
        pip) python3 -m pip --version >/dev/null 2>&1 ;;
        *) have "$1" ;;
    esac
}

# need PROGRAM=PACKAGE...: installs what is missing (as root), or says exactly what to install.
need() {
    local pair packages=() programs=()
    for pair in "$@"; do
        is_there "${pair%%=*}" || { programs+=("${pair%%=*}"); packages+=("${pair#*=}"); }
    done
    [ ${#packages[@]} -gt 0 ] || return 0
    mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
    mapfile -t programs < <(printf '%s\n' "${programs[@]}" | sort -u)
    if ! have apt-get; then
        die "missing: ${programs[*]}" "install them with this system's package manager (on Debian: ${packages[*]})"
    elif [ "$(id -u)" -ne 0 ]; then
        die "missing: ${programs[*]}" "install them with:  sudo apt-get install ${packages[*]}" "then run this again."
    fi
    say "Installing ${packages[*]}"
    install_quietly "${packages[@]}" \
        || die "apt-get could not install ${packages[*]}" "its output is above; mend that, or install them by hand, and run this again."
    for pair in "$@"; do
        is_there "${pair%%=*}" || die "${pair#*=} is installed, but ${pair%%=*} is not to be found" "see with: dpkg -L ${pair#*=}"
    done
}

# Installs packages without starting their servers: the tests start their own, on their own ports.
install_quietly() (
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        made=1
        printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod 755 "$policy"
    fi
    export DEBIAN_FRONTEND=noninteractive
    # Hundreds of lines about what is unpacked; worth reading only where it fails.
    said=$(mktemp)
    trap 'rm -f "$said"; [ -z "${made:-}" ] || rm -f "$policy"' EXIT
    install() { apt-get install -y -qq --no-install-recommends "$@" >"$said" 2>&1; }
    install "$@" || { apt-get update -qq >"$said" 2>&1 && install "$@"; } || { cat "$said" >&2; exit 1; }
)

is_new_enough() {
    local version
    version=$(cargo --version 2>/dev/null | awk '{ print $2 }')
    [ -n "$version" ] && printf '%s\n%s\n' "$RUST_AT_LEAST" "${version%%-*}" | sort -C -V
}

# A Rust toolchain of RUST_AT_LEAST or later. The distributions' own are older, so it comes from rustup, for this user
# alone (~/.rustup, ~/.cargo); a toolchain that is there and new enough is used as it is.
need_rust() {
    ! is_new_enough || return 0
    say "Rust $RUST_AT_LEAST or later is needed; $(cargo --version 2>/dev/null || echo 'there is no cargo')."
    have rustup || install_rustup || die "rustup could not be installed" "install Rust by hand, then run this again:" \
        "  curl --proto '=https' -sSf https://sh.rustup.rs -o rustup-init.sh && sh rustup-init.sh --profile minimal"
    say "Installing Rust (stable) with rustup"
    rustup toolchain install stable --profile minimal --component clippy,rustfmt >&2 \
        || die "rustup could not install Rust" "its output is above."
    export RUSTUP_TOOLCHAIN=stable
    is_new_enough || die "Rust $RUST_AT_LEAST or later is needed; rustup's stable is $(cargo --version)" "see: rustup update stable"
}

# From the distribution where it has it (Debian 13, Ubuntu 24.04), otherwise with Rust's own installer.
install_rustup() {
    if [ "$(id -u)" -eq 0 ] && have apt-cache && [ -n "$(apt-cache search --names-only '^rustup$' 2>/dev/null)" ]; then
        need rustup=rustup
        return
    fi
    local installer
    installer=$(mktemp)
    say "Installing rustup with Rust's own installer"
    curl --proto '=https' -sSf https://sh.rustup.rs -o "$installer" \
        && sh "$installer" -y --no-modify-path --profile minimal --default-toolchain none >&2
    local ended=$?
    rm -f "$installer"
    PATH="$HOME/.cargo/bin:$PATH"
    return "$ended"
}

# What it takes to build Windlass and the guestbook: a linker, a C compiler for SQLite and the TLS library, whom to trust
# when crates are fetched; and what fetches Rust, where it is not there.
build_tools=(cc=build-essential certificates=ca-certificates)
is_new_enough || have rustup || build_tools+=(curl=curl)

# What the tests run for real.
test_tools=(
    initdb=postgresql redis-server=redis-server rabbitmq-server=rabbitmq-server
    python3=python3 venv=python3-venv pip=python3-pip node=nodejs npm=npm
    git=git curl=curl pgrep=procps strace=strace mkfs.ext4=e2fsprogs xfs_io=xfsprogs
    crontab=cron systemctl=systemd unshare=util-linux faketime=faketime age-keygen=age pass=pass gpg=gnupg
)

# need_to_build [MORE...]: all that a build takes, and more. What is missing is told in one go.
need_to_build() {
    need "${build_tools[@]}" "$@"
    need_rust
}

# What the benchmarks compare with; a peer that is missing is left out of the comparison.
need_bench_tools() {
    local pair
    need python3=python3
    for pair in nginx=nginx-light wrk=wrk haproxy=haproxy caddy=caddy; do
        is_there "${pair%%=*}" && continue
        [ "$(id -u)" -eq 0 ] && have apt-get && install_quietly "${pair#*=}" && continue
        say "${pair%%=*} is not there: the benchmarks do without it"
    done
}

# busy PORT: something listens on it on this machine.
busy() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
