/** The root: what is an instance of it, Shrinkmeister has thrown on purpose. */
export class ShrinkmeisterError extends Error {
  static {
    this.prototype.name = "ShrinkmeisterError";
  }
}

/** A setting of the client is missing or wrong. */
export class SettingError extends ShrinkmeisterError {
  static {
    this.prototype.name = "SettingError";
  }
}

/** A geometry, an option or a source that no thumbnail can be described with. */
export class SpecError extends ShrinkmeisterError {
  static {
    this.prototype.name = "SpecError";
  }
}

/** A token that none of our secret keys has sealed, or of a version unknown here. */
export class TokenError extends ShrinkmeisterError {
  static {
    this.prototype.name = "TokenError";
  }
}

/** A genuine token whose time is over. */
export class TokenExpiredError extends TokenError {
  static {
    this.prototype.name = "TokenExpiredError";
  }
}

/** What the shared cache holds under our key is not a record of ours. Counts as a miss. */
export class RecordError extends ShrinkmeisterError {
  static {
    this.prototype.name = "RecordError";
  }
}

/** The shared cache did not do what it was asked: dead, refusing, too slow. `onError` is told of it. */
export class DriverError extends ShrinkmeisterError {
  static {
    this.prototype.name = "DriverError";
  }
}

/**
 * A value as messages show it.
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
