// SPDX-License-Identifier: Apache-2.0
import Glibc
import Policy

/// The guests of this node of Proxmox VE, by the files that configure them.
struct ProxmoxSource: WorkloadSource {
    static let standardFolder = "/etc/pve"
    private static let mostOfFile = 1 << 20

    let folder: String
    /// How often all files are looked at: of what another node of the cluster writes, there is no event.
    var pause = Duration.seconds(5)

    var name: String { "proxmox:\(folder)" }

    func follow(_ teller: WorkloadTeller) {
        var watch = FoldersWatch(folders)
        var last: [Stamp]?
        while true {
            do throws(EngineError) {
                let stamps = try stamps()
                if stamps != last {
                    try tell(stamps, teller)
                    last = stamps
                }
            } catch {
                last = nil
                teller.fail("\(name): \(error); what it said before holds")
                // The folder may be mounted later.
                watch = FoldersWatch(folders)
            }
            watch.wait(atMost: pause)
        }
    }

    private var folders: [String] { ProxmoxGuest.Kind.allCases.map { "\(folder)/\($0.rawValue)" } }

    /// A file as far as can be seen without reading it.
    private struct Stamp: Hashable {
        var kind: ProxmoxGuest.Kind
        var number: UInt32
        var size: Int
        var seconds: Int
        var nanoseconds: Int
    }

    private func path(_ stamp: Stamp) -> String { "\(folder)/\(stamp.kind.rawValue)/\(stamp.number).conf" }

    /// The files of all guests, in the order of their numbers.
    private func stamps() throws(EngineError) -> [Stamp] {
        var result: [Stamp] = []
        for kind in ProxmoxGuest.Kind.allCases {
            let place = "\(folder)/\(kind.rawValue)"
            try TrustedPath.check(place)
            guard let names = try? DiskFiles().names(in: place) else { throw EngineError("\(place) cannot be listed") }
            for name in names where name.hasSuffix(".conf") {
                guard let number = UInt32(name.dropLast(5)), name == "\(number).conf" else { continue }
                var status = stat()
                guard unsafe lstat("\(place)/\(name)", &status) == 0 else { continue }
                result.append(
                    Stamp(
                        kind: kind, number: number, size: Int(status.st_size), seconds: Int(status.st_mtim.tv_sec),
                        nanoseconds: Int(status.st_mtim.tv_nsec)))
            }
        }
        guard result.count <= WorkloadLine.mostWorkloads else { throw EngineError("there are too many guests") }
        return result.sorted { ($0.number, $0.kind.rawValue) < ($1.number, $1.kind.rawValue) }
    }

    private func tell(_ stamps: [Stamp], _ teller: WorkloadTeller) throws(EngineError) {
        var workloads: [Workload] = []
        for stamp in stamps {
            do throws(EngineError) {
                guard let guest = try read(stamp) else { continue }
                workloads.append(guest.workload)
            } catch {
                workloads.append(
                    Workload(
                        id: ProxmoxGuest.id(stamp.kind, stamp.number), name: "\(stamp.number)",
                        labels: ["vmid": "\(stamp.number)"], refusal: "\(error)"))
            }
        }
        teller.sync(workloads, of: name)
    }

    /// nil: the file is gone.
    private func read(_ stamp: Stamp) throws(EngineError) -> ProxmoxGuest? {
        let bytes: [UInt8]
        do throws(FileError) {
            bytes = try DiskFiles().read(path(stamp), limit: ProxmoxSource.mostOfFile, from: .regularFile)
        } catch {
            if error == .missing { return nil }
            throw EngineError("\(path(stamp)): \(error)", ofOneGuest: true)
        }
        return try ProxmoxGuest(stamp.kind, number: stamp.number, String(decoding: bytes, as: UTF8.self))
    }
}

/// Waits for anything to change in some folders.
struct FoldersWatch: ~Copyable {
    private let descriptor: Int32

    init(_ folders: [String]) {
        descriptor = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        let events = IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_CREATE | IN_ATTRIB
        for folder in folders { _ = unsafe inotify_add_watch(descriptor, folder, UInt32(events)) }
    }

    deinit { close(descriptor) }

    /// Without a descriptor, or without events, it only waits.
    func wait(atMost time: Duration) {
        var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
        guard unsafe poll(&entry, 1, Int32(time / .milliseconds(1))) > 0 else { return }
        // Programs write a file in several steps.
        usleep(20_000)
        var bytes = [UInt8](repeating: 0, count: 65536)
        while unsafe read(descriptor, &bytes, bytes.count) > 0 {}
    }
}
