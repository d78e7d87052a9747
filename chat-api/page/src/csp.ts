// Imported before anything that makes schemas: zod would try to compile code from text, which the page's content
// security policy forbids and tells of.

import { config } from "zod/v4";

config({ jitless: true });
