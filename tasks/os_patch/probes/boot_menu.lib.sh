#!/bin/sh
# What the boot loader says of the kernel that it starts: grubby's answer, or GRUB's menu. Nothing by another boot loader.

tell_boot_loader() {
  if command -v grubby > /dev/null; then
    grubby --default-kernel 2> /dev/null | sed -n 's|.*/vmlinuz-|default_kernel |p'
    return
  fi
  for menu in /boot/grub/grub.cfg /boot/grub2/grub.cfg; do
    if [ -e "$menu" ]; then
      tell_menu "$menu"
      return
    fi
  done
}

# Its entries, without what is of no interest, and the variables that GRUB keeps beside it.
tell_menu() {
  entries=$(grep -e '^[[:space:]]*\(menuentry\|submenu\|linux\|set default=\|}\)' "$1" | base64 -w0)
  echo "boot_menu $entries"
  for name in next_entry saved_entry; do
    sed -n "s/^$name=/boot_$name /p" "$(dirname "$1")/grubenv" 2> /dev/null
  done
}
