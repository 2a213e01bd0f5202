# Print the C library, whose version decides how text is sorted: glibc's by getconf, another's by its own output.
echo "libc=$(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 2 | tr '\n' ' ')"
