// SPDX-License-Identifier: Apache-2.0
import CNetlink
import Glibc
import SystemPackage

/// What happens to the devices of some network namespaces, as the kernel tells it. For one thread at a time.
///
/// Whoever rules a namespace can make as many events there as he likes. What does not change which device is called
/// what, and whose member it is, is passed over without being told.
package final class DeviceEvents {
    /// What a wait came to.
    package struct Change: Sendable, Hashable {
        /// Whether a device came, went, was renamed, or has another master.
        package var devices = false
        /// Whether the table of nftables was touched that was asked for.
        package var table = false
        /// Whether the kernel had no room for some events.
        package var isOverrun = false
        /// Whether ``WakeUp/wake()`` was called.
        package var isWoken = false
    }

    /// One namespace that is listened to.
    private final class Listener {
        let inode: UInt64
        let links: FileDescriptor
        let tables: FileDescriptor?
        private var known: [UInt32: Known] = [:]

        private struct Known: Equatable {
            var master: UInt32
            var name: String
        }

        init(_ name: String?) throws(HostError) {
            let opened = try NetworkNamespace.with(name) { () throws(HostError) in
                (
                    inode: NetworkNamespace.inode(nil) ?? 0, links: bulkhead_open_events(BULKHEAD_LINK_EVENTS),
                    tables: bulkhead_open_events(BULKHEAD_NFTABLES_EVENTS)
                )
            }
            guard opened.links >= 0 else {
                throw HostError("cannot listen to network devices: \(Errno(rawValue: -opened.links))")
            }
            inode = opened.inode
            links = FileDescriptor(rawValue: opened.links)
            // A kernel without nftables has no table that could be touched.
            tables = opened.tables >= 0 ? FileDescriptor(rawValue: opened.tables) : nil
        }

        deinit {
            try? links.close()
            try? tables?.close()
        }

        func readLinks(_ change: inout Change) {
            var list: UnsafeMutablePointer<bulkhead_device_event>?
            var count = 0
            defer { unsafe free(list) }
            let error = unsafe bulkhead_read_device_events(links.rawValue, &list, &count)
            if error != 0 {
                change.isOverrun = true
                known = [:]
            }
            for event in unsafe Array(UnsafeBufferPointer(start: list, count: count)) {
                if event.is_gone != 0 {
                    known[event.index] = nil
                    change.devices = true
                    continue
                }
                let now = Known(master: event.master, name: text(of: event.name))
                guard known.updateValue(now, forKey: event.index) != now else { continue }
                change.devices = true
            }
        }

        func readTables(_ table: String, _ change: inout Change) {
            guard let tables else { return }
            var isTouched = false
            let error = unsafe bulkhead_read_table_events(tables.rawValue, table, &isTouched)
            if isTouched || error != 0 { change.table = true }
        }
    }

    private let table: String
    private let wakeUp: WakeUp
    private var listeners: [String?: Listener] = [:]

    /// - Parameter table: The name of the table of nftables whose changes are told.
    package init(table: String, wakeUp: WakeUp) {
        self.table = table
        self.wakeUp = wakeUp
    }

    /// Listens to these namespaces and no others. One that was made anew under its old name is another one.
    ///
    /// - Returns: The errors of those that cannot be listened to; and whether there are new ones, whose devices must be
    ///   read.
    package func follow(_ namespaces: Set<String?>) -> (isNew: Bool, errors: [String]) {
        for name in listeners.keys where !namespaces.contains(name) { listeners[name] = nil }
        var (isNew, errors): (Bool, [String]) = (false, [])
        for name in namespaces {
            let inode = NetworkNamespace.inode(name)
            if let known = listeners[name], known.inode == inode { continue }
            listeners[name] = nil
            guard inode != nil else { continue }
            do throws(HostError) {
                listeners[name] = try Listener(name)
                isNew = true
            } catch {
                errors.append(error.message)
            }
        }
        return (isNew, errors)
    }

    /// Waits until something happens, for so many milliseconds at most, and takes what has happened.
    package func wait(milliseconds: Int32) -> Change {
        var change = Change()
        let all = Array(listeners.values)
        var polled = [pollfd(fd: wakeUp.descriptor.rawValue, events: Int16(POLLIN), revents: 0)]
        for listener in all {
            polled.append(pollfd(fd: listener.links.rawValue, events: Int16(POLLIN), revents: 0))
            polled.append(pollfd(fd: listener.tables?.rawValue ?? -1, events: Int16(POLLIN), revents: 0))
        }
        guard unsafe poll(&polled, nfds_t(polled.count), milliseconds) > 0 else { return change }
        if polled[0].revents != 0 {
            wakeUp.take()
            change.isWoken = true
        }
        for (place, listener) in all.enumerated() {
            if polled[1 + 2 * place].revents != 0 { listener.readLinks(&change) }
            if polled[2 + 2 * place].revents != 0 { listener.readTables(table, &change) }
        }
        return change
    }
}

/// Ends another thread's wait.
package final class WakeUp: Sendable {
    fileprivate let descriptor: FileDescriptor
    private let writing: FileDescriptor

    package init() throws(HostError) {
        do {
            (descriptor, writing) = try FileDescriptor.pipe()
        } catch {
            throw HostError("cannot make a pipe: \(error)")
        }
        for end in [descriptor, writing] {
            _ = fcntl(end.rawValue, F_SETFL, O_NONBLOCK)
            _ = fcntl(end.rawValue, F_SETFD, FD_CLOEXEC)
        }
    }

    deinit {
        try? descriptor.close()
        try? writing.close()
    }

    /// A pipe that is full wakes as well.
    package func wake() { _ = try? writing.writeAll([1] as [UInt8]) }

    fileprivate func take() {
        var bytes = [UInt8](repeating: 0, count: 64)
        while (unsafe read(descriptor.rawValue, &bytes, bytes.count)) > 0 {}
    }
}
