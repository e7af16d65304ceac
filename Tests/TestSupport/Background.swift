import Foundation
import Synchronization

/// Work on a thread of its own, such as traffic that goes on while a test does something else.
public final class Background<Value: Sendable>: Sendable {
    private let state = Mutex<(result: Result<Value, any Error>?, isStopped: Bool)>((nil, false))

    /// `body` asks its argument now and then whether to stop.
    public init(_ body: @escaping @Sendable (_ isStopped: () -> Bool) throws -> Value) {
        let thread = Thread {
            let result = Result { try body { self.state.withLock { $0.isStopped } } }
            self.state.withLock { $0.result = result }
        }
        thread.start()
    }

    public var isDone: Bool { state.withLock { $0.result != nil } }

    /// Asks the work to stop and waits for what it has to say.
    public func stop() throws -> Value {
        state.withLock { $0.isStopped = true }
        return try value()
    }

    /// Waits for the work's end.
    public func value(seconds: Double = 30) throws -> Value {
        guard poll(seconds: seconds, { isDone }) else {
            throw CommandFailure(description: "background work took more than \(seconds) s")
        }
        return try state.withLock { state in
            guard let result = state.result else { throw CommandFailure(description: "no result") }
            return try result.get()
        }
    }
}
