// The host's colours, fonts and insets, as far as it tells them; without any, the system's preference decides.

import type { McpUiHostContext } from "@modelcontextprotocol/ext-apps";

export function applyTheme({ theme, styles, safeAreaInsets }: McpUiHostContext): void {
  const { style } = document.documentElement;
  style.colorScheme = theme ?? "";
  for (const [name, value] of Object.entries(styles?.variables ?? {})) {
    if (name.startsWith("--") && typeof value === "string") style.setProperty(name, value);
  }
  for (const side of ["top", "right", "bottom", "left"] as const) {
    style.setProperty(`--inset-${side}`, `${safeAreaInsets?.[side] ?? 0}px`);
  }
}

/** Tell the host the height that the page needs, now and whenever it changes. */
export function reportHeight(report: (height: number) => void): void {
  let last = 0;
  new ResizeObserver(() => {
    const height = Math.ceil(document.documentElement.getBoundingClientRect().height);
    if (height !== last) report((last = height));
  }).observe(document.documentElement);
}
