// SPDX-License-Identifier: Apache-2.0
import Glibc
import Logging
import Policy
import Rendering

/// Writes a line per message to standard error. Where that is the journal, the line begins with its priority; else
/// with the time. Names are others', so everything is escaped.
struct AgentLog: LogHandler {
    var metadata = Logger.Metadata()
    var metadataProvider: Logger.MetadataProvider?
    var logLevel = Logger.Level.info

    /// systemd sets this where standard error is the journal.
    private static let isJournal = unsafe getenv("JOURNAL_STREAM") != nil

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let words = ([event.message.description] + all.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" })
            .joined(separator: " ")
        let start = Self.isJournal ? "<\(event.level.priority)>" : "\(WallTime.now) \(event.level.rawValue): "
        var line = Array((start + Words.escaped(words) + "\n").utf8)
        _ = unsafe write(STDERR_FILENO, &line, line.count)
    }
}

extension Logger.Level {
    /// Of syslog.
    fileprivate var priority: Int {
        switch self {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// The time of day for the log.
private enum WallTime {
    static var now: String {
        var clock = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &clock)
        let time = Timestamp(nanoseconds: UInt64(clock.tv_sec) * 1_000_000_000 + UInt64(clock.tv_nsec))
        return "\(time.utc.prefix(23))Z"
    }
}
