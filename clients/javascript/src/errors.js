/** The root of all errors that Shrinkmeister throws on purpose. */
export class ShrinkmeisterError extends Error {
  static {
    this.prototype.name = "ShrinkmeisterError";
  }
}

/** A setting of the client is missing or invalid. */
export class SettingError extends ShrinkmeisterError {
  static {
    this.prototype.name = "SettingError";
  }
}

/** A source, a geometry or an option is invalid, or the token would be too long. */
export class SpecError extends ShrinkmeisterError {
  static {
    this.prototype.name = "SpecError";
  }
}

/** No secret decrypts the token, or its version is unknown. */
export class TokenError extends ShrinkmeisterError {
  static {
    this.prototype.name = "TokenError";
  }
}

/** The token is genuine, and has expired. */
export class TokenExpiredError extends TokenError {
  static {
    this.prototype.name = "TokenExpiredError";
  }
}

/** A value of the shared cache is not a valid record. A look-up counts it as a miss. */
export class RecordError extends ShrinkmeisterError {
  static {
    this.prototype.name = "RecordError";
  }
}

/** The shared cache is down, refuses a call or is too slow. Only `onError` receives this error. */
export class DriverError extends ShrinkmeisterError {
  static {
    this.prototype.name = "DriverError";
  }
}

/**
 * Return a value as messages show it.
 *
 * @param {unknown} value
 * @returns {string}
 */
export function shown(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (Array.isArray(value)) return "an array";
  if (typeof value === "object" && value !== null) return "an object";
  return typeof value === "function" ? "a function" : String(value);
}
