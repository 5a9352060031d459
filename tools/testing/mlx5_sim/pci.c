// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The PCI host bridge with the function behind it, and its interrupts. */

#include <linux/io.h>
#include <linux/irq.h>
#include <linux/irqdomain.h>
#include <linux/msi.h>
#include <linux/platform_device.h>
#include <linux/unaligned.h>
#include "bus.h"

/* An own domain, far from those of the machine. */
#define SIM_DOMAIN		0x20000

#define SIM_DEVICE_ID		0x101d	/* ConnectX-6 Dx */
#define SIM_CLASS		0x0207	/* network, InfiniBand */
#define SIM_MSIX_CAP		0x40

static struct sim_pci *sim_pci_of(struct pci_bus *bus)
{
	return container_of((struct pci_sysdata *)bus->sysdata, struct sim_pci,
			    sysdata);
}

static int sim_config_read(struct pci_bus *bus, unsigned int devfn, int where,
			   int size, u32 *val)
{
	struct sim_pci *pci = sim_pci_of(bus);

	*val = ~0;
	if (devfn || READ_ONCE(pci->absent) ||
	    where + size > sizeof(pci->config))
		return PCIBIOS_DEVICE_NOT_FOUND;
	*val = 0;
	memcpy(val, pci->config + where, size);
	return PCIBIOS_SUCCESSFUL;
}

static int sim_config_write(struct pci_bus *bus, unsigned int devfn, int where,
			    int size, u32 val)
{
	struct sim_pci *pci = sim_pci_of(bus);
	int i;

	if (devfn || READ_ONCE(pci->absent) ||
	    where + size > sizeof(pci->config))
		return PCIBIOS_DEVICE_NOT_FOUND;
	for (i = where; i < where + size; i++, val >>= 8)
		pci->config[i] = (pci->config[i] & ~pci->writable[i]) |
				  (val & pci->writable[i]);
	return PCIBIOS_SUCCESSFUL;
}

static struct pci_ops sim_config_ops = {
	.read = sim_config_read,
	.write = sim_config_write,
};

static void sim_config_init(struct sim_pci *pci)
{
	u8 *c = pci->config, *w = pci->writable, *msix = c + SIM_MSIX_CAP;

	put_unaligned_le16(PCI_VENDOR_ID_MELLANOX, c + PCI_VENDOR_ID);
	put_unaligned_le16(SIM_DEVICE_ID, c + PCI_DEVICE_ID);
	put_unaligned_le16(PCI_STATUS_CAP_LIST, c + PCI_STATUS);
	put_unaligned_le16(SIM_CLASS, c + PCI_CLASS_DEVICE);
	put_unaligned_le16(PCI_VENDOR_ID_MELLANOX, c + PCI_SUBSYSTEM_VENDOR_ID);
	c[PCI_CAPABILITY_LIST] = SIM_MSIX_CAP;
	put_unaligned_le32(lower_32_bits(pci->window.start) |
			   PCI_BASE_ADDRESS_MEM_TYPE_64, c + PCI_BASE_ADDRESS_0);
	put_unaligned_le32(upper_32_bits(pci->window.start),
			   c + PCI_BASE_ADDRESS_1);

	put_unaligned_le16(PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER |
			   PCI_COMMAND_INTX_DISABLE, w + PCI_COMMAND);
	w[PCI_CACHE_LINE_SIZE] = 0xff;
	w[PCI_INTERRUPT_LINE] = 0xff;
	/* What can't be written tells how big the BAR is. */
	put_unaligned_le32(~(SIM_BAR_SIZE - 1), w + PCI_BASE_ADDRESS_0);
	put_unaligned_le32(~0, w + PCI_BASE_ADDRESS_1);

	msix[PCI_CAP_LIST_ID] = PCI_CAP_ID_MSIX;
	put_unaligned_le16(SIM_NUM_VECTORS - 1, msix + PCI_MSIX_FLAGS);
	put_unaligned_le32(SIM_MSIX_TABLE, msix + PCI_MSIX_TABLE);
	put_unaligned_le32(SIM_MSIX_PBA, msix + PCI_MSIX_PBA);
	put_unaligned_le16(PCI_MSIX_FLAGS_MASKALL | PCI_MSIX_FLAGS_ENABLE,
			   w + SIM_MSIX_CAP + PCI_MSIX_FLAGS);
}

/*
 * Interrupts: a vector of the device is an interrupt of an own domain, raised
 * by software. Nobody listens on the address that the message would go to.
 */

static void sim_irq_work(struct irq_work *work)
{
	struct sim_irq *irq = container_of(work, struct sim_irq, work);
	unsigned int virq = READ_ONCE(irq->virq);

	if (virq)
		generic_handle_irq(virq);
}

void sim_raise_irq(struct sim_pci *pci, u32 vector)
{
	if (vector < SIM_NUM_VECTORS)
		irq_work_queue(&pci->irqs[vector].work);
}

static void sim_compose_msi_msg(struct irq_data *data, struct msi_msg *msg)
{
	*msg = (struct msi_msg){ .data = data->hwirq };
}

static void sim_irq_ack(struct irq_data *data)
{
}

/* The interrupt comes to where the device's thread runs, wherever it should. */
static int sim_irq_set_affinity(struct irq_data *data,
				const struct cpumask *mask, bool force)
{
	irq_data_update_effective_affinity(data, mask);
	return IRQ_SET_MASK_OK;
}

static struct irq_chip sim_irq_chip = {
	.name = "SIM-MSI",
	.irq_ack = sim_irq_ack,
	.irq_set_affinity = sim_irq_set_affinity,
	.irq_compose_msi_msg = sim_compose_msi_msg,
};

/* One interrupt at a time, as each vector of MSI-X has a descriptor. */
static int sim_irq_alloc(struct irq_domain *domain, unsigned int virq,
			 unsigned int count, void *arg)
{
	struct sim_pci *pci = domain->host_data;
	msi_alloc_info_t *info = arg;
	u16 vector = info->desc->msi_index;

	irq_domain_set_info(domain, virq, vector, &sim_irq_chip, pci,
			    handle_edge_irq, NULL, NULL);
	WRITE_ONCE(pci->irqs[vector].virq, virq);
	return 0;
}

static void sim_irq_free(struct irq_domain *domain, unsigned int virq,
			 unsigned int count)
{
	struct sim_pci *pci = domain->host_data;
	struct irq_data *data = irq_domain_get_irq_data(domain, virq);
	struct sim_irq *irq = &pci->irqs[data->hwirq];

	WRITE_ONCE(irq->virq, 0);
	irq_work_sync(&irq->work);
	irq_domain_reset_irq_data(data);
}

static const struct irq_domain_ops sim_irq_ops = {
	.alloc = sim_irq_alloc,
	.free = sim_irq_free,
};

/* The function has a domain of its own above ours, which writes its table. */
static bool sim_init_dev_msi_info(struct device *dev,
				  struct irq_domain *domain,
				  struct irq_domain *parent,
				  struct msi_domain_info *info)
{
	const struct msi_parent_ops *ops = parent->msi_parent_ops;

	info->flags &= ops->supported_flags;
	info->flags |= ops->required_flags;
	info->chip->irq_ack = irq_chip_ack_parent;
	return true;
}

static const struct msi_parent_ops sim_msi_parent_ops = {
	.supported_flags = MSI_GENERIC_FLAGS_MASK | MSI_FLAG_PCI_MSIX,
	.required_flags = MSI_FLAG_USE_DEF_DOM_OPS | MSI_FLAG_USE_DEF_CHIP_OPS,
	.init_dev_msi_info = sim_init_dev_msi_info,
};

static int sim_irq_init(struct sim_pci *pci)
{
	struct fwnode_handle *fwnode;
	int i;

	for (i = 0; i < SIM_NUM_VECTORS; i++)
		init_irq_work(&pci->irqs[i].work, sim_irq_work);
	fwnode = irq_domain_alloc_named_fwnode("SIM-MSI");
	if (!fwnode)
		return -ENOMEM;
	pci->irq_domain =
		irq_domain_create_hierarchy(NULL, IRQ_DOMAIN_FLAG_MSI_PARENT,
					    SIM_NUM_VECTORS, fwnode,
					    &sim_irq_ops, pci);
	if (!pci->irq_domain) {
		irq_domain_free_fwnode(fwnode);
		return -ENOMEM;
	}
	pci->irq_domain->msi_parent_ops = &sim_msi_parent_ops;
	return 0;
}

static void sim_irq_cleanup(struct sim_pci *pci)
{
	struct fwnode_handle *fwnode = pci->irq_domain->fwnode;

	irq_domain_remove(pci->irq_domain);
	irq_domain_free_fwnode(fwnode);
}

/* Takes the memory of the BAR, and makes what needs no driver. */
int sim_pci_init(struct sim_pci *pci, phys_addr_t bar)
{
	int err;

	pci->window = DEFINE_RES_MEM_NAMED(bar, SIM_BAR_SIZE, "mlx5_sim");
	if (region_intersects(pci->window.start, SIM_BAR_SIZE,
			      IORESOURCE_SYSTEM_RAM, IORES_DESC_NONE) !=
	    REGION_DISJOINT) {
		pr_err("mlx5_sim: the kernel uses %pR itself: boot it with memmap=16M$...\n",
		       &pci->window);
		return -EBUSY;
	}
	/* The window stays out of iomem_resource: memmap= put its range there. */
	pci->bar = ioremap(pci->window.start, SIM_BAR_SIZE);
	if (!pci->bar)
		return -ENOMEM;
	memset_io(pci->bar, 0, SIM_BAR_SIZE);
	sim_config_init(pci);
	err = sim_irq_init(pci);
	if (err)
		goto err_unmap;
	pci->parent = platform_device_register_simple("mlx5_sim", -1, NULL, 0);
	if (IS_ERR(pci->parent)) {
		err = PTR_ERR(pci->parent);
		goto err_irq;
	}
	return 0;

err_irq:
	sim_irq_cleanup(pci);
err_unmap:
	iounmap(pci->bar);
	return err;
}

void sim_pci_cleanup(struct sim_pci *pci)
{
	struct pci_bus *bus = pci->bridge ? pci->bridge->bus : NULL;

	if (bus) {
		pci_lock_rescan_remove();
		pci_stop_root_bus(bus);
		pci_remove_root_bus(bus);
		pci_unlock_rescan_remove();
		pci_free_host_bridge(pci->bridge);
	}
	platform_device_unregister(pci->parent);
	sim_irq_cleanup(pci);
	iounmap(pci->bar);
}

/* Plugs the function in. Its BAR can't be elsewhere, so is not assigned. */
void sim_pci_insert_device(struct sim_pci *pci)
{
	struct pci_bus *bus = pci->bridge->bus;

	pci_lock_rescan_remove();
	sim_config_init(pci);
	pci_scan_slot(bus, 0);
	pci_bus_claim_resources(bus);
	pci_bus_add_devices(bus);
	pci_unlock_rescan_remove();
}

/* Adds the bridge, and plugs the function in. */
int sim_pci_add(struct sim_pci *pci)
{
	struct pci_host_bridge *bridge;
	int err;

	bridge = pci_alloc_host_bridge(0);
	if (!bridge)
		return -ENOMEM;
	pci->sysdata.domain = SIM_DOMAIN;
	pci->sysdata.node = NUMA_NO_NODE;
	pci->busn = (struct resource){
		.name = "mlx5_sim bus",
		.flags = IORESOURCE_BUS,
	};
	bridge->dev.parent = &pci->parent->dev;
	bridge->sysdata = &pci->sysdata;
	bridge->ops = &sim_config_ops;
	pci_add_resource(&bridge->windows, &pci->busn);
	pci_add_resource(&bridge->windows, &pci->window);
	dev_set_msi_domain(&bridge->dev, pci->irq_domain);
	err = pci_scan_root_bus_bridge(bridge);
	if (err) {
		pci_free_host_bridge(bridge);
		return err;
	}
	pci->bridge = bridge;
	sim_pci_insert_device(pci);
	return 0;
}

void sim_pci_remove_device(struct sim_pci *pci)
{
	struct pci_dev *pdev = pci_get_slot(pci->bridge->bus, 0);

	if (!pdev)
		return;
	pci_stop_and_remove_bus_device_locked(pdev);
	pci_dev_put(pdev);
}

/* What a port does that notices the loss (DPC): tell the driver first. */
void sim_pci_report_loss(struct sim_pci *pci)
{
	struct pci_dev *pdev = pci_get_slot(pci->bridge->bus, 0);
	const struct pci_error_handlers *handlers;

	if (!pdev)
		return;
	pdev->error_state = pci_channel_io_perm_failure;
	device_lock(&pdev->dev);
	handlers = pdev->driver ? pdev->driver->err_handler : NULL;
	if (handlers && handlers->error_detected)
		handlers->error_detected(pdev, pci_channel_io_perm_failure);
	device_unlock(&pdev->dev);
	pci_dev_put(pdev);
}
