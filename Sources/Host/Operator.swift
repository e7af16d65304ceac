// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Who runs this process, as far as the kernel and sudo tell.
public struct Operator: Sendable, Hashable, Codable {
    /// The best that is known: the user who called sudo, else who logged in, else who the process runs as.
    public var name: String
    /// The user id that the process was started with.
    public var uid: UInt32
    /// The user who logged in, which the kernel keeps through su and sudo; nil: the process belongs to no login.
    public var loginUID: UInt32?
    /// The user who called sudo; nil: nobody did.
    public var sudoUser: String?

    public init(name: String, uid: UInt32, loginUID: UInt32? = nil, sudoUser: String? = nil) {
        self.name = name
        self.uid = uid
        self.loginUID = loginUID
        self.sudoUser = sudoUser
    }

    /// The longest name that is taken, in bytes.
    private static let nameLimit = 256

    /// Who runs this process.
    package static var current: Operator {
        let uid = getuid()
        let login = loginUID(ProcFile.text("/proc/self/loginuid") ?? "")
        // Anybody can set the variable. For root, sudo has set it, or root says so.
        let sudoUser = geteuid() == 0 ? unsafe getenv("SUDO_USER").map { unsafe String(cString: $0) } : nil
        let caller = sudoUser.flatMap { $0.isEmpty || $0.utf8.count > nameLimit ? nil : $0 }
        // `su` keeps the variable, so it counts only where it agrees with who logged in.
        let loginName = login.map(name)
        let isCaller = loginName == nil || loginName == caller
        return Operator(
            name: (isCaller ? caller : nil) ?? loginName ?? name(of: uid), uid: uid, loginUID: login, sudoUser: caller)
    }

    /// Who is known by the number alone.
    package static func user(_ uid: UInt32) -> Operator { Operator(name: name(of: uid), uid: uid) }

    /// Reads `/proc/PID/loginuid`; nil: nobody logged in.
    static func loginUID(_ text: String) -> UInt32? {
        guard let number = UInt32(text.prefix { $0.isNumber }), number != .max else { return nil }
        return number
    }

    /// Whether a number is some user's.
    package static func isKnown(_ uid: UInt32) -> Bool { nameIfAny(of: uid) != nil }

    /// The user's name, or the number where there is none.
    private static func name(of uid: UInt32) -> String { nameIfAny(of: uid) ?? "\(uid)" }

    private static func nameIfAny(of uid: UInt32) -> String? {
        var record = unsafe passwd()
        var buffer = [CChar](repeating: 0, count: 16_384)
        var found: UnsafeMutablePointer<passwd>?
        let error = unsafe getpwuid_r(uid, &record, &buffer, buffer.count, &found)
        guard error == 0, unsafe found != nil, let name = unsafe record.pw_name else { return nil }
        return unsafe String(cString: name)
    }
}
