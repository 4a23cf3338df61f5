export { Client } from "./client.js";
export {
  DriverError,
  SettingError,
  ShrinkmeisterError,
  SpecError,
  TokenError,
  TokenExpiredError,
} from "./errors.js";
